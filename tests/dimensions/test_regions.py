"""Lines, planes, faces and pixels: against known answers, dense sampling and activation patterns; bad input."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import data, evaluation, models
from course_utils.core import tensors
from course_utils.dimensions import single_pixels
from course_utils.dimensions.regions import in_a_plane, polygons, segment_bound
from course_utils.dimensions.regions.around_an_image import alignment, nearest_faces, region_faces, units
from course_utils.dimensions.regions.in_a_plane import montufar, planar
from course_utils.dimensions.regions.on_a_line import crossings
from course_utils.dimensions.regions.pieces import copy_layers, piecewise_linear

AXES = torch.eye(2).view(2, 1, 1, 1, 2)
ORIGIN = torch.zeros(1, 1, 1, 2)


@torch.no_grad()
def dense(*widths, inputs=2, classes=3, seed=0):
    """A net of dense layers with biases of the size of the weights, in float64."""
    torch.manual_seed(seed)
    layers, width = [nn.Flatten()], inputs
    for number in widths:
        layers += [nn.Linear(width, number), nn.ReLU()]
        width = number
    model = nn.Sequential(*layers, nn.Linear(width, classes)).double()
    for layer in model:
        if isinstance(layer, nn.Linear):
            layer.bias.normal_()
            layer.weight.normal_()
    return model


def convolutional(seed=0):
    """A small net with every kind of layer that is known."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        models.Normalise([0.3], [0.4]),
        nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(inplace=True)),
        nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 3),
        nn.AvgPool2d(2, stride=1),
        nn.MaxPool2d((2, 3), stride=1),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(4, 6),
        nn.BatchNorm1d(6),
        nn.ReLU(),
        nn.Identity(),
        nn.Linear(6, 4),
    )
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            module.weight.data.normal_()
            module.bias.data.normal_()
    model[8].weight.data *= 10
    return model.double().eval(), torch.rand(6, 1, 10, 12, dtype=torch.float64)


def pattern(model, images):
    """Which units are on and who wins in each window, one row an image: the plain way."""
    found, x = [], images
    with torch.no_grad():
        for layer in piecewise_linear(model):
            if isinstance(layer, nn.ReLU):
                found.append((x > 0).flatten(1))
                x = x.relu()
            elif isinstance(layer, nn.MaxPool2d):
                x, winner = F.max_pool2d(x, layer.kernel_size, layer.stride, return_indices=True)
                found.append(winner.flatten(1))
            else:
                x = layer(x)
    return torch.cat([each.long() for each in found], 1)


def on_the_way(start, end, t):
    return torch.lerp(start.double(), end.double(), t.view(-1, 1, 1, 1))


def untouched(model):
    """What must not change."""
    return [module.training for module in model.modules()], {k: v.clone() for k, v in model.state_dict().items()}


def same(before, after):
    return before[0] == after[0] and all(torch.equal(v, after[1][k]) for k, v in before[1].items())


# Along a line


def test_one_unit_by_hand():
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 1), nn.ReLU(), nn.Linear(1, 2))
    model[1].weight.data, model[1].bias.data = torch.tensor([[1.0, 2.0]]), torch.tensor([-1.0])
    model[3].weight.data, model[3].bias.data = torch.tensor([[0.0], [1.0]]), torch.tensor([1.0, 0.0])
    (line,) = crossings(model, ORIGIN, torch.ones(1, 1, 1, 2))
    assert line.at.tolist() == pytest.approx([1 / 3])
    assert line.logits[:, 1].tolist() == pytest.approx([0, 0, 2])
    assert line.decisions.tolist() == pytest.approx([2 / 3])


def test_exclusive_or_by_hand():
    """|x - y| by two units: along the diagonal nothing happens, along the other all of it at once."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 2))
    model[1].weight.data = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    model[3].weight.data, model[3].bias.data = torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([0.5, 0.0])
    start = torch.tensor([[0.0, 0.0], [1.0, 0.0]]).view(2, 1, 1, 2)
    end = torch.tensor([[1.0, 1.0], [0.0, 1.0]]).view(2, 1, 1, 2)
    diagonal, other = crossings(model, start, end)
    assert diagonal.at.tolist() == [] and diagonal.decisions.tolist() == []
    assert other.at.tolist() == [0.5]
    assert other.decisions.tolist() == pytest.approx([0.25, 0.75])


def test_a_window_changes_its_winner_only_where_another_overtakes():
    """max(1 - 2t, 0.5, 2t - 1): the first and the last meet at 1/2, but there the second has long been ahead."""
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.MaxPool2d((1, 3)), nn.Flatten(), nn.Linear(1, 2))
    model[0].weight.data.fill_(1.0)
    model[0].bias.data.zero_()
    start, end = torch.tensor([1.0, 0.5, -1.0]).view(1, 1, 1, 3), torch.tensor([-1.0, 0.5, 1.0]).view(1, 1, 1, 3)
    assert crossings(model, start, end)[0].at.tolist() == pytest.approx([0.25, 0.75])


@pytest.mark.parametrize("make", ["dense", "convolutional"])
def test_crossings_separate_the_patterns_that_sampling_finds(make):
    model, images = convolutional() if make == "convolutional" else (dense(12, 12), torch.randn(6, 1, 1, 2).double())
    for line, start, end in zip(crossings(model, images[:3], images[3:]), images[:3], images[3:], strict=True):
        grid = torch.linspace(0, 1, 20_001, dtype=torch.float64)
        pieces = torch.searchsorted(line.at, grid)
        patterns = pattern(model, on_the_way(start, end, grid))
        changed = (patterns[1:] != patterns[:-1]).any(1)
        assert torch.equal(changed, pieces[1:] != pieces[:-1]) and changed.sum() > 3
        edges = torch.cat([grid[:1], line.at, grid[-1:]])
        assert torch.allclose(model(on_the_way(start, end, edges)), line.logits, atol=1e-12)
        said = model(on_the_way(start, end, grid)).argmax(1)
        assert torch.equal(said[1:] != said[:-1], torch.searchsorted(line.decisions, grid).diff() != 0)


def test_lenet_has_one_pattern_a_piece_and_another_in_the_next(net):
    digits = data.mnist("cpu").test.images[:2]
    generator = torch.Generator().manual_seed(0)
    start, end = (digits + 0.01 * torch.rand(digits.shape, generator=generator)).split(1)  # flat windows tie
    before = untouched(net)
    (line,) = crossings(net, start, end)
    assert same(before, untouched(net)) and len(line.at) > 500
    edges = torch.cat([line.at.new_zeros(1), line.at[:400]])
    wide = edges.diff() > 1e-9
    inside = [edges[:-1] + share * edges.diff() for share in (0.01, 0.5, 0.99)]
    exact = nn.Sequential(*copy_layers(net, start)[0])
    early, middle, late = (pattern(exact, on_the_way(start[0], end[0], t)) for t in inside)
    assert torch.equal(early[wide], middle[wide]) and torch.equal(late[wide], middle[wide])
    assert (middle[1:] != middle[:-1]).any(1).all()


def test_lines_do_not_depend_on_their_company_or_on_portions(monkeypatch):
    model, images = convolutional()
    together = crossings(model, images[:3], images[3:])
    monkeypatch.setitem(tensors.NUMBERS, "cpu", 250)
    for number, line in enumerate(together):
        (alone,) = crossings(model, images[number : number + 1], images[number + 3 : number + 4])
        for one, other in zip(line, alone, strict=True):
            assert one.shape == other.shape and torch.allclose(one.double(), other.double(), atol=1e-12)


def test_a_line_of_no_length_and_a_net_without_choices():
    (line,) = crossings(dense(5), ORIGIN, ORIGIN)
    assert line.at.numel() == 0 and line.decisions.numel() == 0
    (line,) = crossings(dense(), ORIGIN, torch.ones(1, 1, 1, 2))
    assert line.at.numel() == 0 and len(line.logits) == 2


# In a plane


@pytest.mark.parametrize("lines", [1, 2, 5, 12])
def test_one_layer_cuts_a_plane_into_as_many_pieces_as_straight_lines_can(lines):
    found = planar(dense(lines), ORIGIN, *AXES, extent=1e4, progress=False)
    assert found.number == montufar(lines) == len(found.regions.unique())
    assert areas(found).sum().item() == pytest.approx(4e8)


@pytest.mark.parametrize("widths", [(6, 6), (4, 4, 4)])
def test_regions_of_a_plane_are_those_that_sampling_finds(widths):
    model = dense(*widths)
    found = planar(model, ORIGIN, *AXES, extent=3, progress=False)
    middles = torch.stack([corners.mean(0) for corners in found.corners]).view(-1, 1, 1, 2)
    patterns = pattern(model, middles)
    assert len(patterns.unique(dim=0)) == found.number  # each region has its own, and only one
    assert all(len(patterns[found.regions == region].unique(dim=0)) == 1 for region in range(found.number))
    points = 6 * torch.rand(50_000, 1, 1, 2, dtype=torch.float64) - 3
    seen, counts = pattern(model, points).unique(dim=0, return_counts=True)
    place = (patterns[:, None] == seen).all(2)
    assert place.any(0).all()  # no pattern is missing
    shares = place.double().T @ areas(found) / 36
    assert torch.allclose(shares, counts.double() / 50_000, atol=0.01) and areas(found).sum().item() == pytest.approx(
        36
    )
    said = model(points[:2000]).argmax(1)
    for point, name in zip(points[:200].view(-1, 2), said, strict=False):
        holds = [number for number, corners in enumerate(found.corners) if inside(point, corners)]
        assert holds and name in found.classes[holds]


def areas(plane):
    return torch.cat([polygons.area(corners[None]) for corners in plane.corners])


def inside(point, corners):
    following = corners.roll(-1, 0) - corners
    offset = point - corners
    return bool((following[:, 0] * offset[:, 1] - following[:, 1] * offset[:, 0] >= -1e-9).all())


def test_a_plane_agrees_with_a_line_through_it():
    model, images = convolutional()
    right, up = images[1:2] - images[:1], images[2:3] - images[:1]
    found = planar(model, images[:1], right, up, extent=0.5, progress=False)
    assert areas(found).sum().item() == pytest.approx(1)
    patterns = pattern(model, torch.stack([at[0] * right[0] + at[1] * up[0] for at in middles(found)]) + images[:1])
    assert len(patterns.unique(dim=0)) == found.number > 20
    line = crossings(model, images[:1] - 0.5 * right, images[:1] + 0.5 * right)[0]
    met = [c for c in found.corners if c[:, 1].min() < -1e-12 and c[:, 1].max() > 1e-12]
    ends = sorted(x for c in met for x in cut(c))
    want = sorted([t - 0.5 for t in (*line.at.tolist(), *line.decisions.tolist())] * 2 + [-0.5, 0.5])
    assert ends == pytest.approx(want, abs=1e-9)


def middles(plane):
    return [corners.mean(0) for corners in plane.corners]


def cut(corners):
    """Where the axis v = 0 enters and leaves a polygon."""
    following = corners.roll(-1, 0)
    return [
        (a[0] - a[1] * (b[0] - a[0]) / (b[1] - a[1])).item()
        for a, b in zip(corners, following, strict=True)
        if a[1] * b[1] < 0
    ]


def test_a_plane_gives_up_where_there_are_too_many(monkeypatch):
    monkeypatch.setattr(in_a_plane, "MOST", 10)
    with pytest.raises(ValueError, match="more than 10 regions: make extent smaller"):
        planar(dense(20), ORIGIN, *AXES, extent=100, progress=False)


# Around an image


def test_normals_are_gradients_and_their_values_what_is_left():
    model, images = convolutional()
    found = region_faces(model, images[:1])
    x = images[:1].clone().requires_grad_()
    layers = list(piecewise_linear(model))
    for number, first in ((3, True), (12, False)):  # the ReLUs; the faces of windows lie in between
        inputs = nn.Sequential(*layers[:number])(x).flatten()
        values, normals = (each[: len(inputs)] if first else each[-len(inputs) :] for each in found)
        assert torch.allclose(values, inputs)
        for row in (0, len(inputs) // 2, len(inputs) - 1):
            (gradient,) = torch.autograd.grad(inputs[row], x, retain_graph=True)
            assert torch.allclose(normals[row], gradient.flatten())


def test_the_nearest_face_is_where_the_pattern_changes():
    model, images = convolutional()
    found = nearest_faces(model, images, progress=False)
    for image, distance in zip(images, found.face, strict=True):
        bounds = region_faces(model, image[None])
        far = bounds.values.abs() / bounds.normals.norm(dim=1)
        normal = bounds.normals[far.argmin()]
        step = -(bounds.values[far.argmin()].sign() * normal / normal.norm()).view(image.shape)
        before, short, beyond = pattern(model, torch.stack([image + s * distance * step for s in (0, 0.999, 1.001)]))
        assert torch.equal(before, short) and not torch.equal(before, beyond)
        directions = F.normalize(torch.randn(200, image.numel(), dtype=torch.float64)).view(-1, *image.shape)
        assert (pattern(model, image + 0.999 * distance * directions) == before).all()


def test_decision_faces_of_a_linear_net_are_exact():
    model = dense(classes=4)
    points = torch.randn(20, 1, 1, 2).double()
    found = nearest_faces(model, points, progress=False)
    assert found.face.isinf().all()
    angles = torch.linspace(0, 2 * torch.pi, 721, dtype=torch.float64)
    circle = torch.stack([angles.cos(), angles.sin()], 1).view(-1, 1, 1, 2)
    for point, distance in zip(points, found.decision, strict=True):
        name = model(point[None]).argmax()
        assert (model(point + 0.999 * distance * circle).argmax(1) == name).all()
        assert (model(point + 1.001 * distance * circle).argmax(1) != name).any()


def test_numbers_of_the_papers():
    assert montufar(30) == 466 and montufar(10, 10, 10) == 35_000 and montufar(16, 16, 16, 16) > 3.5e7
    assert units(models.LeNet5(), torch.zeros(1, 1, 28, 28)) == 4704 + 1176 + 1600 + 400 + 120 + 84
    assert alignment(torch.eye(3)).tolist() == [1, 1, 1] and alignment(torch.ones(2, 4)).tolist() == [0.25, 0.25]


# Single pixels


def with_pixel(image, pixel, values):
    """Copies of an image that differ in one pixel."""
    many = image.flatten().repeat(len(values), 1)
    many[:, pixel] = values.to(image)
    return many.view(-1, *image.shape)


@pytest.mark.parametrize("kind", ["convolutional", "dense"])
@pytest.mark.parametrize("low,high", [(0.0, 1.0), (-3.0, 4.0)])
def test_survival_agrees_with_dense_sampling(kind, low, high):
    if kind == "convolutional":
        model, images = convolutional()
        images = images[:1]
    else:
        model, images = dense(20, 20, inputs=12), torch.rand(8, 1, 3, 4, dtype=torch.float64)
    labels = evaluation.predict(model, images).labels
    before = untouched(model)
    found = single_pixels.survival(model, images, labels, low, high, progress=False)
    assert same(before, untouched(model))
    assert (found.lower <= images).all() and (found.upper >= images).all()
    grid = torch.linspace(low, high, 501, dtype=torch.float64)
    edges = 0
    for image, label, *ours in zip(images, labels, *found, strict=True):
        for pixel, (lower, upper, share) in enumerate(zip(*(each.flatten() for each in ours), strict=True)):
            good = model(with_pixel(image, pixel, grid)).argmax(1) == label
            assert good.double().mean().item() == pytest.approx(share.item(), abs=0.004)
            assert good[(grid > lower + 1e-4) & (grid < upper - 1e-4)].all()
            beyond = torch.stack([lower - 2e-4, upper + 2e-4])[torch.stack([lower > low, upper < high])]
            edges += len(beyond)
            assert (model(with_pixel(image, pixel, beyond)).argmax(1) != label).all()
    assert edges > 0


def test_survival_of_a_digit_is_what_every_grey_level_says(net):
    split = data.mnist("cpu").test[:40]
    split = split[evaluation.predict(net, split.images).labels == split.labels]
    leads = evaluation.logits(net, split.images).topk(2).values
    image = split.images[(leads[:, 0] - leads[:, 1]).argmin()][None]  # the least sure
    label = evaluation.predict(net, image).labels
    found = single_pixels.survival(net, image, label, -1, 2, progress=False)
    hard = [*found.fraction.flatten().argsort()[:10].tolist(), 400, 401]
    for pixel in hard:
        good = net(with_pixel(image[0], pixel, torch.linspace(-1, 2, 601))).argmax(1) == label
        assert good.double().mean().item() == pytest.approx(found.fraction.flatten()[pixel].item(), abs=0.005)
    assert found.fraction.min() < 1


def test_survival_of_a_net_without_parameters():
    net, images = nn.Sequential(nn.Flatten(), nn.ReLU()), torch.tensor([[[[0.25, 0.5]]]])
    found = single_pixels.survival(net, images, torch.tensor([1]), progress=False)
    assert found.lower.flatten().tolist() == [0, 0.25] and found.upper.flatten().tolist() == [0.5, 1]


@torch.no_grad()
def test_bounds_hold_between_the_ends():
    model, images = convolutional()
    layers = segment_bound.with_margins(model, 4, 1)
    margins, _ = segment_bound.least_margin(layers, images[:3], images[3:], 1)
    for start, end, bound in zip(images[:3], images[3:], margins, strict=True):
        logits = model(on_the_way(start, end, torch.linspace(0, 1, 500, dtype=torch.float64)))
        others = logits[:, [0, 2, 3]].amax(1)
        assert (logits[:, 1] - others >= bound - 1e-9).all()


def test_an_effective_pixel_moves_a_logit():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3, 2))
    model[1].weight.data = torch.tensor([[1.0, 0.0, 1e-5], [-3.0, 0.0, 0.0]])
    assert single_pixels.effective(model, torch.tensor([0.25, 0.5, 0.5]).view(1, 1, 1, 3)).tolist() == [1]


def test_joint_chances_of_one_pixel_are_its_fraction_and_of_two_by_hand():
    """The class is 0 while x + y < 1.5: each alone survives always or half, both together on 7/8 of the square."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
    model[1].weight.data, model[1].bias.data = torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([1.5, 0.0])
    image, label = torch.tensor([0.75, 0.25]).view(1, 1, 1, 2), torch.tensor([0])
    alone = single_pixels.survival(model, image, label, progress=False).fraction
    assert alone.flatten().tolist() == pytest.approx([1, 0.75])
    settings = dict(draws=4000, progress=False)
    one = single_pixels.joint(model, image, label, torch.tensor([[0], [1]]), **settings)
    assert one[0].tolist() == pytest.approx([1, 0.75], abs=0.03)
    both = single_pixels.joint(model, image, label, torch.tensor([[0, 1]]), **settings)
    assert both.item() == pytest.approx(7 / 8, abs=0.02)


# Bad input


def test_layers_that_bend_are_named():
    x = torch.rand(1, 1, 28, 28)
    bent = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(784, 5), nn.Sigmoid()), nn.Linear(5, 2))
    for call in (
        lambda: crossings(bent, x, x),
        lambda: planar(bent, x, x, x, 1),
        lambda: region_faces(bent, x),
        lambda: nearest_faces(bent, x),
        lambda: single_pixels.survival(bent, x, evaluation.predict(bent, x).labels),
    ):
        with pytest.raises(ValueError, match=r"layer 2, Sigmoid\(\), is not piecewise linear"):
            call()
    with pytest.raises(ValueError, match=r"layer 0, MaxPool2d.*without padding"):
        crossings(nn.Sequential(nn.MaxPool2d(3, padding=1)), x, x)
    with pytest.raises(ValueError, match=r"layer 0, BatchNorm2d.*running statistics"):
        crossings(nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False)), x, x)
    with pytest.raises(TypeError, match=r"not an nn\.Sequential"):
        crossings(nn.Linear(2, 2), x, x)


def test_images_that_do_not_fit_are_refused():
    model, x = dense(3), torch.zeros(1, 1, 1, 2)
    with pytest.raises(ValueError, match=r"one end for each start"):
        crossings(model, x, x.repeat(2, 1, 1, 1))
    with pytest.raises(ValueError, match=r"write image\[None\]"):
        crossings(model, x[0], x[0])
    with pytest.raises(TypeError, match="not a float tensor"):
        crossings(model, x.long(), x.long())
    with pytest.raises(ValueError, match="start holds NaN"):
        crossings(model, x / 0, x)
    with pytest.raises(ValueError, match=r"write images\[:1\]"):
        region_faces(model, x.repeat(2, 1, 1, 1))
    with pytest.raises(ValueError, match="parallel"):
        planar(model, x, AXES[0], 2 * AXES[0], 1)
    with pytest.raises(ValueError, match="extent=0"):
        planar(model, x, *AXES, 0)
    with pytest.raises(ValueError, match="up has shape"):
        planar(model, x, AXES[0], AXES[1].repeat(2, 1, 1, 1), 1)


def test_pixels_refuse_what_makes_no_sense():
    model, x = dense(4, inputs=6).float(), torch.rand(2, 1, 2, 3)
    y = evaluation.predict(model, x).labels
    with pytest.raises(ValueError, match="the model misclassifies 2 of 2 images"):
        single_pixels.survival(model, x, (y + 1) % 3)
    with pytest.raises(ValueError, match=r"range that holds \[0, 1\]"):
        single_pixels.survival(model, x, y, 0.1, 1)
    with pytest.raises(ValueError, match="subsets run from 0 to 6, the pixels from 0 to 5"):
        single_pixels.joint(model, x, y, torch.tensor([[0, 6]]))
    with pytest.raises(ValueError, match="int64"):
        single_pixels.joint(model, x, y, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="draws=0"):
        single_pixels.joint(model, x, y, torch.tensor([[0, 1]]), draws=0)
