"""The course is light: heavy libraries are loaded on first use, and MNIST is no more than its file."""

import json
import subprocess
import sys

import pytest

from course_utils import data
from tools.notebooks import ROOT

HEAVY = ("torchvision.ops", "scipy.special", "sklearn.base", "skimage.data", "matplotlib", "pandas")
HEAVY += ("efficientnet_lite_pytorch",)
MODULES = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for file in ROOT.glob("course_utils/**/*.py")
    if file.parent.name != "bank"  # exercises, each read with the first one of its lesson
)
REPORT = """
import json, psutil, sys, torch
lesson, modules, heavy = json.loads(sys.argv[1])
refuse = lambda event, _: sys.exit(event) if event in {"socket.connect", "subprocess.Popen"} else None
sys.addaudithook(refuse)
process, spent = psutil.Process(), lambda: process.memory_info().rss / 2**20
before = spent()
for module in lesson:
    __import__(module)
imported = spent()
digits = sys.modules["course_utils.data"].mnist("cpu")
assert digits.train[:100].images.shape == (100, 1, 28, 28)
digits = spent()
for module in modules:
    __import__(module)
print(json.dumps([imported - before, digits - before, sorted(set(heavy) & set(sys.modules))]))
"""


@pytest.fixture(scope="module")
def report():
    """What a new process spends on the imports of a lesson, and then with MNIST, in megabytes; the heavy libraries that
    come with all modules. Nothing is fetched and nothing started meanwhile."""
    data.mnist("cpu")  # unpacked by now
    rooms = ["data", "evaluation", "figures", "ledger", "models", "runtime", "training", "doctor", "exercises"]
    rooms = [f"course_utils.{room}" for room in [*rooms, "widgets.sliders", "widgets.guesses"]]
    asked = json.dumps([rooms, MODULES, HEAVY])
    done = subprocess.run([sys.executable, "-c", REPORT, asked], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_no_module_loads_a_heavy_library(report):
    assert len(MODULES) > 80 and {"course_utils", "course_utils.figures", "course_utils.zoo.imagenet"} <= set(MODULES)
    assert report[2] == []


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory in other ways")
def test_the_imports_of_a_lesson_and_mnist_are_light(report):
    imported, with_digits, _ = report
    assert imported < 60 and with_digits < 100  # 18 and 22 when this was written; the whole of MNIST is 210 as floats
