"""The ladder's worst case beside AutoAttack's, the authors' own code (Croce and Hein 2020), on the course's nets.

Of its standard version the two attacks that decide are taken: APGD on the cross-entropy, and towards each of 9 targets.
FAB and Square come after them there and cost several times as much.
"""

import pytest
import torch

from course_utils import data, evaluation, zoo
from course_utils.defenses import evaluate

autoattack = pytest.importorskip("pyautoattack")

NETS = {"lenet5": 0.1, "small-fast": 0.3}  # and the eps of each


def net_of(name):
    return zoo.load(name, device="cpu", progress=False) if name == "lenet5" else zoo.load(name, device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_the_worst_case_is_that_of_autoattack_within_a_point(name, capsys):
    net, eps, split = net_of(name), NETS[name], data.mnist("cpu").test[:200]
    climbed = evaluate.robust_accuracy(net, split.images, split.labels, eps, queries=200, progress=False)
    peer = autoattack.AutoAttack(net, eps=eps, version="custom", attacks=["apgd-ce", "apgd-t"], device="cpu", seed=0)
    peer.apgd.n_restarts = 1
    with torch.random.fork_rng(devices=[]):
        images, *_ = peer.run_standard_evaluation(split.images, split.labels, batch_size=200)
    theirs = (evaluation.predict(net, images).labels == split.labels).float().mean().item()
    ours = climbed.accuracy()["worst"]
    with capsys.disabled():
        print(f"\n{name} at eps {eps}: the ladder leaves {ours:.1%}, AutoAttack {theirs:.1%} of 200 images")
    assert ours <= theirs + 0.01 + 1e-6
