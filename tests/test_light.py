"""The course is light: heavy libraries are loaded on first use, and MNIST is no more than its file."""

import json
import subprocess
import sys

import pytest

from course_utils import data
from tools.notebooks import ROOT

HEAVY = ("torchvision.ops", "scipy.special", "sklearn.base", "skimage.data", "matplotlib", "pandas")
MODULES = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for file in ROOT.glob("course_utils/**/*.py")
    if file.parent.name != "bank"  # exercises, each read with the first one of its lesson
)
REPORT = """
import json, psutil, sys, torch
rooms, heavy = json.loads(sys.argv[1])
process, spent = psutil.Process(), lambda: process.memory_info().rss / 2**20
before = spent()
for room in rooms:
    __import__(room)
imported = spent()
if "course_utils.data" in rooms:
    digits = sys.modules["course_utils.data"].mnist("cpu")
    assert digits.train[:100].images.shape == (100, 1, 28, 28)
print(json.dumps([imported - before, spent() - before, sorted(set(heavy) & set(sys.modules))]))
"""


def megabytes(*rooms):
    """What a new process spends on importing ``rooms``; then with MNIST, too; and the heavy libraries that came."""
    asked = json.dumps([rooms, HEAVY])
    done = subprocess.run([sys.executable, "-c", REPORT, asked], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_no_module_loads_a_heavy_library():
    assert len(MODULES) > 80 and {"course_utils", "course_utils.figures", "course_utils.zoo.imagenet"} <= set(MODULES)
    assert megabytes(*MODULES)[2] == []


def test_a_heavy_library_would_be_noticed():
    assert megabytes("matplotlib.figure", "scipy.special")[2] == ["matplotlib", "scipy.special"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory in other ways")
def test_the_imports_of_a_lesson_and_mnist_are_light():
    data.mnist("cpu")  # unpacked by now
    rooms = ["data", "evaluation", "figures", "ledger", "models", "runtime", "training", "doctor", "exercises"]
    rooms = [f"course_utils.{room}" for room in [*rooms, "widgets.sliders", "widgets.guesses"]]
    imported, with_digits, _ = megabytes(*rooms)
    assert imported < 60 and with_digits < 100  # 18 and 22 when this was written; the whole of MNIST is 210 as floats
