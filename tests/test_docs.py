"""Every example in a docstring runs."""

import doctest
import importlib
import pkgutil

import pytest

import course_utils

MODULES = [m.name for m in pkgutil.walk_packages(course_utils.__path__, "course_utils.")]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name, monkeypatch, tmp_path, request):
    if name != "course_utils.figures":
        request.getfixturevalue("undrawn")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0


def test_the_package_itself_imports_without_torch():
    import subprocess
    import sys

    code = "import course_utils, course_utils.bootstrap, sys; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
