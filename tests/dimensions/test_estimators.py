"""What every estimator of distances, probabilities and effects around an image owes (scores: `tests/manifold`)."""

import pytest
import torch
from torch import nn

from course_utils.collisions.match_logits import match_logits
from course_utils.collisions.null_space import distance_until_logits_move, jacobian_null_space, null_space_perturbation
from course_utils.dimensions import boundary_distance, flip_probability, single_pixels
from course_utils.dimensions.regions.around_an_image import nearest_faces

QUIET = dict(progress=False)
DRAWN = {  # by chance, from a generator
    "flip_probability": lambda m, x, y, **how: flip_probability.flip_probability(m, x, y, 0.5, samples=50, **how),
    "flip_probability_splitting": lambda m, x, y, **how: flip_probability.flip_probability_splitting(
        m, x, y, 0.5, particles=20, **how
    ),
    "joint": lambda m, x, y, **how: single_pixels.joint(
        m, x, y, torch.tensor([[0, 5]]), draws=60, low=-3, high=3, **how
    ),
}
FOUND = {  # each image for itself, without chance
    "boundary_distance": lambda m, x, y: boundary_distance.boundary_distance(m, x, y, **QUIET),
    "ray": lambda m, x, y: boundary_distance.ray(m, x, y, torch.ones_like(x)),
    "survival": lambda m, x, y: single_pixels.survival(m, x, y, -1, 2, **QUIET),
    "effective": lambda m, x, y: single_pixels.effective(m, x),
    "nearest_faces": lambda m, x, y: nearest_faces(m, x, **QUIET),
    "match_logits": lambda m, x, y: match_logits(m, x, x.flip(-1), steps=3, **QUIET),
    "null_space_perturbation": lambda m, x, y: null_space_perturbation(m, x, x.flip(-1)),
    "jacobian_null_space": lambda m, x, y: jacobian_null_space(m, x, x.flip(-1)),
    "distance_until_logits_move": lambda m, x, y: distance_until_logits_move(m, x, x.flip(-1), 0.1),
}
EVERY = FOUND | {name: lambda m, x, y, call=call: call(m, x, y, **QUIET) for name, call in DRAWN.items()}
LABELLED = ("boundary_distance", "ray", "survival", *DRAWN)
OWN_SHAPES = ("nearest_faces",)  # takes points beyond [0, 1], too


def example(dtype=torch.float32, number=5):
    """A network in training mode, images, and what it says of them in evaluation mode."""
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Dropout(0.5), nn.Linear(12, 3)).to(dtype)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator).to(parameter) / 2
    images = torch.rand(number, 1, 4, 4, generator=generator).to(dtype)
    labels = model.eval()(images).argmax(1)
    return model.train(), images, labels


def tensors(found):
    return [found] if isinstance(found, torch.Tensor) else [each for each in found if isinstance(each, torch.Tensor)]


def seeded(number):
    return torch.Generator().manual_seed(number)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nothing_else_is_touched(name, dtype):
    model, images, labels = example(dtype)
    model[1].eval()
    copy, state = images.clone(), torch.get_rng_state()
    found = tensors(EVERY[name](model, images, labels))
    assert not any(each.requires_grad for each in found)
    assert torch.equal(images, copy) and torch.equal(torch.get_rng_state(), state)
    assert model.training and model[3].training and not model[1].training
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("name", FOUND)
def test_an_image_gets_the_same_answer_in_any_company_and_when_asked_again(name):
    model, images, labels = example(torch.float64)
    together = tensors(FOUND[name](model, images, labels))
    again = tensors(FOUND[name](model, images, labels))
    alone = [tensors(FOUND[name](model, images[i : i + 1], labels[i : i + 1])) for i in range(len(together[0]))]
    for row, whole in enumerate(together):
        assert torch.equal(whole, again[row])
        torch.testing.assert_close(torch.cat([each[row] for each in alone]), whole)


@pytest.mark.parametrize("name", DRAWN)
def test_chance_comes_from_the_generator(name):
    model, images, labels = example()

    def ask(generator):
        return tensors(DRAWN[name](model, images, labels, generator=generator, **QUIET))[0]

    first = ask(None)
    assert torch.equal(first, ask(None)) and torch.equal(first, ask(seeded(0)))
    assert any(not torch.equal(first, ask(seeded(number))) for number in range(1, 5))


@pytest.mark.parametrize("name", [name for name in EVERY if name not in OWN_SHAPES])
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda x: 255 * x, ValueError, "divide by 255"),
        (lambda x: 4 - x, ValueError, "not 0 to 1"),
        (lambda x: x[:, 0], ValueError, r"not \(N, C, H, W\)"),
        (lambda x: x * torch.nan, ValueError, "NaN"),
        (lambda x: (255 * x).byte(), TypeError, "not floats"),
    ],
)
def test_images_outside_the_convention_are_refused(name, change, error, message):
    model, images, labels = example()
    with pytest.raises(error, match=message):
        EVERY[name](model, change(images), labels)


@pytest.mark.parametrize("name", LABELLED)
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda y: y[:1], ValueError, "one class number an image"),
        (lambda y: y + 7, ValueError, "the classes are 0 to 2"),
        (lambda y: y.float(), TypeError, "not int64"),
    ],
)
def test_labels_outside_the_convention_are_refused(name, change, error, message):
    model, images, labels = example()
    with pytest.raises(error, match=message):
        EVERY[name](model, images, change(labels))


@pytest.mark.parametrize("d", [4, 25])
def test_all_ways_to_a_flat_boundary_are_equally_long(d):
    model = nn.Sequential(nn.Flatten(), nn.Linear(d, 2)).double()
    normal = nn.functional.normalize(torch.randn(d, generator=seeded(1), dtype=torch.float64), dim=0)
    model[1].weight.data = torch.stack([torch.zeros_like(normal), normal])
    model[1].bias.data = torch.tensor([0.0, -3.0], dtype=torch.float64)
    images = torch.rand(4, 1, 1, d, generator=seeded(2), dtype=torch.float64)
    labels, exact = torch.zeros(4, dtype=torch.int64), 3 - images.flatten(1) @ normal
    found = {
        "nearest": boundary_distance.boundary_distance(model, images, labels, **QUIET).distances,
        "along the normal": boundary_distance.ray(model, images, labels, normal.expand_as(images)),
        "of the linear piece": nearest_faces(model, images, **QUIET).decision,
    }
    for distances in found.values():
        torch.testing.assert_close(distances, exact, rtol=1e-6, atol=0)
    rare = flip_probability.flip_probability_splitting(model, images, labels, 0.5, **QUIET)
    torch.testing.assert_close(-0.5 * torch.special.ndtri(rare.probabilities), exact, rtol=0.06, atol=0)
