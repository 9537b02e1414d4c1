"""The attack with squares: stripes, then squares in corners of the ball, every query counted, as strong as others'."""

import pytest
import torch
from torch import nn

from course_utils import data, evaluation, zoo
from course_utils.attacks import choose_targets, pgd
from course_utils.attacks import square as attack
from course_utils.attacks.square import side_at
from tests.attacks.nets import Steep


def square(*arguments, **settings):
    return attack(*arguments, **dict(progress=False) | settings)


class Counted(nn.Module):
    """A network that keeps the images it is asked about."""

    def __init__(self, net):
        super().__init__()
        self.net, self.asked = net, []

    def forward(self, x):
        self.asked.append(x.detach().clone())
        return self.net(x)


def linear(shape=(1, 8, 8), classes=2, seed=0):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(torch.Size(shape).numel(), classes))
    images = 0.3 + 0.4 * torch.rand(20, *shape)
    return model, images, evaluation.predict(model, images).labels


@pytest.fixture(scope="module")
def digits(net):
    split = data.mnist("cpu").test[:200]
    return split[evaluation.predict(net, split.images).labels == split.labels][:100]


def test_every_change_is_a_corner_of_the_ball_cut_by_the_box(net, digits):
    images, labels = digits.images[:20], digits.labels[:20]
    changed = square(net, images, labels, 0.1, queries=30)
    corners = torch.stack([(images - 0.1).clamp(0, 1), (images + 0.1).clamp(0, 1)])
    assert ((changed - corners).abs().amin(0) < 1e-7).all()


def test_it_starts_with_stripes_and_goes_on_with_one_square_each(net, digits):
    images = digits.images[:10] / 2 + 0.25
    labels = evaluation.predict(net, images).labels
    model = Counted(net)
    square(model, images, labels, 0.005, queries=40)
    first, *others = [x for x in model.asked if len(x) == 10]
    stripes = first - images
    assert torch.allclose(stripes, stripes[:, :, :1], atol=1e-6) and len(stripes[0, 0, 0].sign().unique()) == 2
    assert len(others) > 30
    best = first
    margins = evaluation.logits(net, first)
    for query, x in enumerate(others, start=1):
        side = side_at(query / 40, 28, 28)
        for new, old, clean in zip(x, best, images, strict=True):
            rows, columns = (new != old).any(0).nonzero().unbind(1)
            assert len(rows) and rows.max() - rows.min() < side and columns.max() - columns.min() < side
            assert len((new - clean)[0][rows, columns].sign().unique()) == 1
        logits = evaluation.logits(net, x)
        lead, before = (other_lead(scores, labels) for scores in (logits, margins))
        best = torch.where((lead > before)[:, None, None, None], x, best)
        margins = torch.where((lead > before)[:, None], logits, margins)


def other_lead(logits, labels):
    own = logits.gather(1, labels[:, None])[:, 0]
    return logits.scatter(1, labels[:, None], float("-inf")).amax(1) - own


def test_no_question_is_wasted_or_too_many_and_what_is_done_leaves(net, digits):
    images, labels = digits.images, digits.labels
    model = Counted(net)
    changed = square(model, images, labels, 0.15, queries=50)
    sizes = [len(x) for x in model.asked[1:]]  # the first question is how many classes there are
    assert len(sizes) == 50 and sizes[0] == 100 and sizes == sorted(sizes, reverse=True) and sizes[-1] < 100
    fooled = evaluation.predict(net, changed).labels != labels
    assert fooled.sum() >= 100 - sizes[-1] > 0


def test_more_questions_fool_no_fewer(net, digits):
    counts = []
    for queries in (5, 30, 150):
        changed = square(net, digits.images, digits.labels, 0.15, queries=queries)
        counts.append((evaluation.predict(net, changed).labels != digits.labels).sum().item())
    assert counts[0] < counts[1] < counts[2]


def test_the_worst_corner_of_a_linear_net_is_found():
    """There the best sign of each pixel is known; enough single pixels at the end find nearly all of them."""
    model, images, labels = linear((1, 4, 4))
    changed = square(model, images, labels, 1e-4, queries=1500)  # too little to fool, so that the search goes on
    w = model[1].weight.detach()
    slope = (w[1] - w[0]) * torch.where(labels == 0, 1, -1)[:, None]
    reached = ((changed - images).flatten(1) * slope).sum(1) / (1e-4 * slope.abs().sum(1))
    assert (evaluation.predict(model, changed).labels == labels).float().mean() > 0.8
    assert reached.min() > 0.98 and reached.max() < 1.001


def test_a_target_is_reached(net, digits):
    images, labels = digits.images[:50], digits.labels[:50]
    targets = choose_targets(net, images, labels, "nearest")
    changed = square(net, images, labels, 0.25, targets=targets, queries=200)
    reached = evaluation.predict(net, changed).labels == targets
    assert reached.float().mean() > 0.5
    assert torch.equal(changed, square(net, images, labels, 0.25, targets="nearest", queries=200))


def test_a_gradient_that_rounds_to_0_does_not_stop_it(net, digits):
    images, labels = digits.images, digits.labels
    by_gradient = pgd(Steep(net), images, labels, 0.15, progress=False)
    by_squares = square(Steep(net), images, labels, 0.15, queries=150)
    fooled = [(evaluation.predict(net, x).labels != labels).float().mean() for x in (by_gradient, by_squares)]
    assert fooled[1] > fooled[0] + 0.2


@pytest.mark.slow
@pytest.mark.parametrize("eps", [0.1, 0.15])
def test_it_fools_as_many_as_that_of_autoattack_or_more(eps):
    peer = pytest.importorskip("pyautoattack.square")
    net = zoo.load("lenet5", device="cpu", progress=False)
    split = data.mnist("cpu").test[:100]
    split = split[evaluation.predict(net, split.images).labels == split.labels]
    images, labels = split.images, split.labels
    theirs = peer.SquareAttack(net, norm="Linf", eps=eps, n_queries=300, seed=0, device="cpu").perturb(images, labels)
    ours = square(net, images, labels, eps, queries=300)
    kept = [(evaluation.predict(net, x).labels == labels).float().mean().item() for x in (ours, theirs)]
    assert kept[0] <= kept[1] + 0.05
