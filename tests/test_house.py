"""House rules of course_utils. Which room may import which is in pyproject.toml; `lint-imports` checks it."""

import pytest

from tools.notebooks import ROOT

PACKAGE = ROOT / "course_utils"


def test_the_root_holds_few_files():
    assert len(list(PACKAGE.glob("*.py"))) <= 15


@pytest.mark.parametrize("name", ["data.py", "models.py"])
def test_only_the_package_itself_is_a_command(name):
    assert "__main__" not in (PACKAGE / name).read_text(encoding="utf-8")
