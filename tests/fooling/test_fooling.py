"""Bred images: evolution against its plain twin, networks that paint against a recursive one, ascent, and resuming."""

import colorsys
import math
import sys

import pytest
import torch
from torch import nn

from course_utils import evaluation, models
from course_utils.core import tensors
from course_utils.fooling import CPPN, Direct, ascend, map_elites
from course_utils.fooling._genomes import choose, happens, hls_to_rgb, polynomial
from course_utils.fooling.ascent import REGULARIZERS
from course_utils.fooling.cppn import FUNCTIONS, INPUTS
from tests.fooling.small import grown, network, source, whole

SHAPE = (1, 7, 5)
QUIET = dict(population=24, progress=False)


def same(first, second):
    parts = ("images", "confidence", "born", "history", "random_state")
    assert all(torch.equal(getattr(first, name), getattr(second, name)) for name in parts)
    assert first.genomes.keys() == second.genomes.keys()
    assert all(torch.equal(first.genomes[name], second.genomes[name]) for name in first.genomes)


ENCODINGS = [Direct(SHAPE), Direct(SHAPE, crossover=True), CPPN(SHAPE, hidden=6)]
each_encoding = pytest.mark.parametrize("encoding", ENCODINGS, ids=["direct", "crossed", "cppn"])


def plain_map_elites(model, encoding, generations, population, generator):
    """One child after the other, against one class after the other."""
    model.eval()
    genomes = encoding.random(population, generator=generator)
    elites, history, born = {}, [], {}
    for generation in range(generations + 1):
        if generation:
            occupied = torch.cat([elites[k][1]["row"] for k in sorted(elites)])
            parents = torch.randint(len(occupied), (population,), generator=generator)
            pool = {name: torch.stack([elites[k][1][name] for k in sorted(elites)]) for name in genomes}
            genomes = encoding.vary(pool, parents, generation=generation, generator=generator)
        images = (255 * encoding.render(genomes)).floor() / 255
        with torch.no_grad():
            shares = model(images).softmax(1)
        before = {k: elites[k][0] for k in elites}
        for child in range(population):
            for k in range(shares.shape[1]):
                if k not in elites or shares[child, k] > elites[k][0]:
                    genome = {name: genes[child] for name, genes in genomes.items()}
                    elites[k] = shares[child, k].item(), genome | {"row": torch.tensor([k])}, images[child]
        born |= {k: generation for k in elites if before.get(k) != elites[k][0]}
        history.append([elites[k][0] for k in sorted(elites)])
    return elites, born, history[1:]


@each_encoding
def test_the_batch_and_the_plain_loop_breed_the_same(encoding):
    model = network()
    elites, born, history = plain_map_elites(model, encoding, 15, 24, source(3))
    archive = map_elites(model, encoding, generations=15, generator=source(3), **QUIET)
    assert torch.allclose(archive.history, torch.tensor(history), atol=1e-6)
    assert archive.born.tolist() == [born[k] for k in sorted(born)]
    for k, (_, genome, image) in elites.items():
        assert torch.equal(archive.images[k], image)
        assert all(torch.equal(archive.genomes[name][k], genome[name]) for name in archive.genomes)


@each_encoding
def test_an_archive_keeps_what_it_says(encoding):
    model = network().train()
    archive = map_elites(model, encoding, generations=30, **QUIET)
    assert model.training and all(p.grad is None for p in model.parameters())
    assert archive.images.shape == (4, *SHAPE) and archive.history.shape == (30, 4)
    assert (archive.history.diff(dim=0) >= 0).all() and torch.equal(archive.history[-1], archive.confidence)
    own = evaluation.logits(model, archive.images).softmax(1).diagonal()
    assert torch.allclose(own, archive.confidence, atol=1e-5)
    for k, generation in enumerate(archive.born.tolist()):
        before = archive.history[generation - 2, k] if generation > 1 else 0
        assert before < archive.confidence[k]
        assert torch.equal(archive.history[max(generation - 1, 0), k], archive.confidence[k])
    grey = 255 * archive.images
    assert torch.allclose(grey, grey.round(), atol=1e-4)
    rendered = (255 * encoding.render(archive.genomes)).floor() / 255
    assert torch.allclose(rendered, archive.images, atol=1.5 / 255)


def test_a_seed_gives_one_result_and_torch_own_generator_is_left_alone():
    state = torch.get_rng_state()
    runs = [
        map_elites(network(), Direct(SHAPE), generations=5, generator=g, **QUIET) for g in (None, source(0), source(1))
    ]
    assert torch.equal(state, torch.get_rng_state())
    same(runs[0], runs[1])
    assert not torch.equal(runs[0].images, runs[2].images)


@each_encoding
def test_a_resumed_run_is_the_same_as_one_without_a_break(encoding):
    model = network()
    unbroken = map_elites(model, encoding, generations=20, generator=source(5), **QUIET)
    part = map_elites(model, encoding, generations=8, generator=source(5), **QUIET)
    kept = part.copy()
    same(unbroken, map_elites(model, encoding, generations=12, resume=part, **QUIET))
    same(part, kept)  # resuming works on a copy


class Interrupting(nn.Module):
    """Ctrl-C in one of the forward passes."""

    def __init__(self, model, at):
        super().__init__()
        self.model, self.left = model, at

    def forward(self, images):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return self.model(images)


def test_an_interrupted_run_returns_its_archive_and_can_go_on(capsys):
    model = network()
    unbroken = map_elites(model, Direct(SHAPE), generations=20, **QUIET)
    part = map_elites(Interrupting(model, at=10), Direct(SHAPE), generations=20, **QUIET)
    done = len(part.history)
    assert 0 < done < 20 and f"after generation {done}" in capsys.readouterr().out
    same(unbroken, map_elites(model, Direct(SHAPE), generations=20 - done, resume=part, **QUIET))


def cut_short(model, encoding, at):
    """A run of four generations, interrupted ``at`` so many lines of its own code after the first."""
    file, begun, left, before = sys.modules[map_elites.__module__].__file__, [], at, sys.gettrace()

    def trace(frame, event, argument):
        nonlocal left
        if frame.f_code.co_filename != file:
            return None
        left -= event == "line" and len(begun) > 0
        if left < 0:
            sys.settrace(None)
            raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        return map_elites(model, encoding, generations=4, on_generation=begun.append, **QUIET)
    finally:
        sys.settrace(before)


def test_wherever_an_interrupt_comes_nothing_is_torn():
    model, encoding = network(), CPPN(SHAPE, hidden=4)
    unbroken = map_elites(model, encoding, generations=4, **QUIET)
    lengths = set()
    for at in range(60):
        part = cut_short(model, encoding, at)
        lengths.add(len(part.history))
        same(unbroken, map_elites(model, encoding, generations=4 - len(part.history), resume=part, **QUIET))
    assert {1, 2} <= lengths <= {1, 2, 3}


def test_the_callback_sees_every_generation_and_may_interrupt():
    seen = []

    def watch(archive):
        seen.append(archive)
        if len(seen) == 4:
            raise KeyboardInterrupt

    archive = map_elites(network(), Direct(SHAPE), generations=9, on_generation=watch, **QUIET)
    assert torch.equal(torch.stack([each.confidence for each in seen]), archive.history)
    assert len({each.images.data_ptr() for each in seen}) == 4
    same(archive, map_elites(network(), Direct(SHAPE), generations=2, resume=seen[1], **QUIET))  # it was kept whole


def test_any_number_of_classes_and_colour():
    for encoding in (Direct((3, 6, 9)), CPPN((3, 6, 9))):
        archive = map_elites(network((3, 6, 9), 300), encoding, generations=3, **QUIET)
        assert archive.images.shape == (300, 3, 6, 9) and archive.confidence.shape == (300,)
        assert archive.images.min() >= 0 and archive.images.max() <= 1


def test_portions_change_nothing(monkeypatch):
    encoding = CPPN((3, 6, 9), hidden=6)
    model = network(encoding.shape, classes=30)
    how = dict(generations=4, population=25, progress=False)
    at_once = map_elites(model, encoding, **how)
    monkeypatch.setitem(tensors.NUMBERS, "cpu", 2 * 3 * 6 * 9)  # four images at once
    parts = map_elites(model, encoding, **how)
    assert torch.allclose(at_once.confidence, parts.confidence, atol=1e-5)
    assert torch.allclose(at_once.images, parts.images, atol=1.5 / 255)
    pixels = encoding.render(at_once.genomes)
    monkeypatch.setitem(tensors.NUMBERS, "cpu", 100)  # few pixels at once
    assert torch.allclose(encoding.render(at_once.genomes), pixels, atol=1e-5)


def test_lenet_is_fooled_by_evolution(net):
    archive = map_elites(net, Direct((1, 28, 28)), generations=60, population=100, progress=False)
    named = evaluation.predict(net, archive.images).labels
    assert (named == torch.arange(10)).sum() >= 7  # a random population has two or three
    assert archive.history[0].median() < 0.5 < archive.confidence.median()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(generations=0), "generations=0"),
        (dict(population=True), "population=True"),
        (dict(generations=2.5), "generations=2.5"),
        (dict(encoding=Direct((1, 9, 9))), "cannot take"),
        (dict(model=nn.Sequential(nn.Flatten(), nn.Linear(35, 1))), "one logit"),
        (dict(model=nn.Sequential(network(), nn.Softmax(1))), "probabilities"),
        (dict(model=nn.Sequential(network(), nn.Threshold(9, float("nan")))), "NaN"),
        (dict(model=lambda images: images.flatten(1)), "wrap it in one"),
        (dict(encoding=Direct), "want Direct"),
        (dict(encoding="direct"), "want Direct"),
    ],
)
def test_bad_input_is_named(settings, message):
    arguments = dict(model=network(), encoding=Direct(SHAPE), generations=2, **QUIET) | settings
    with pytest.raises((TypeError, ValueError), match=message):
        map_elites(arguments.pop("model"), arguments.pop("encoding"), **arguments)


def test_an_archive_is_resumed_only_where_it_belongs():
    archive = map_elites(network(), Direct(SHAPE), generations=3, **QUIET)
    again = dict(generations=1, resume=archive, **QUIET)
    with pytest.raises(ValueError, match="bred with Direct"):
        map_elites(network(), CPPN(SHAPE), **again)
    with pytest.raises(ValueError, match="another network"):
        map_elites(network(seed=1), Direct(SHAPE), **again)
    with pytest.raises(ValueError, match="another network"):
        map_elites(network(classes=5), Direct(SHAPE), **again)
    with pytest.raises(ValueError, match="leave generator out"):
        map_elites(network(), Direct(SHAPE), generator=source(), **again)
    with pytest.raises(TypeError, match="resume is a str: want an archive"):
        map_elites(network(), Direct(SHAPE), generations=1, resume="archive.pt", **QUIET)
    sized = map_elites(network(), Direct(torch.zeros(SHAPE).shape), generations=1, **QUIET)
    map_elites(network(), Direct(list(SHAPE)), generations=1, resume=sized, **QUIET)


# ------------------------------------------------------------------------------------------------ chance


def test_events_happen_with_their_chance_and_apart_from_each_other():
    generator, device = source(1), torch.device("cpu")
    for chance in (0.03, 0.1, 0.5):
        seen = torch.zeros(4000, 50)
        for row in seen:
            row[happens(50, chance, generator=generator, device=device)] = 1
        error = 5 * (chance * (1 - chance) / 4000) ** 0.5
        assert (seen.mean(0) - chance).abs().max() < error
        together = (seen[:, :-1] * seen[:, 1:]).mean(0)
        assert (together - chance**2).abs().max() < 5 * (chance**2 / 4000) ** 0.5
    assert len(happens(50, 0.0, generator=generator, device=device)) == 0
    assert len(happens(50, 1.0, generator=generator, device=device)) == 50


def test_polynomial_steps_have_the_published_distribution():
    draws = torch.linspace(0, 1, 1001, dtype=torch.float64)[:-1]
    published = [(2 * u) ** (1 / 16) - 1 if u < 0.5 else 1 - (2 * (1 - u)) ** (1 / 16) for u in draws.tolist()]
    steps = polynomial(draws, eta=15)
    assert torch.allclose(steps, torch.tensor(published, dtype=torch.float64), atol=1e-12)
    assert steps.min() == -1 and steps.max() < 1


def test_one_of_the_allowed_is_chosen_evenly():
    allowed = torch.tensor([[True, False, True, True]]).expand(6000, 4)
    chosen = choose(allowed, generator=source())
    shares = torch.bincount(chosen, minlength=4) / 6000
    assert shares[1] == 0 and (shares[[0, 2, 3]] - 1 / 3).abs().max() < 0.03
    choose(torch.zeros(3, 4, dtype=torch.bool), generator=source())  # means nothing, but does not fail


def test_colours_agree_with_the_standard_library():
    hls = torch.rand(1, 3, 20, 20, generator=source())
    rgb = hls_to_rgb(hls)
    for row, column in ((0, 0), (3, 17), (19, 5)):
        expected = colorsys.hls_to_rgb(*hls[0, :, row, column].tolist())
        assert torch.allclose(rgb[0, :, row, column], torch.tensor(expected), atol=1e-5)
    corners = torch.tensor([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]).view(1, 3, 1, 2)
    assert torch.equal(hls_to_rgb(corners).flatten(2)[0, 0], torch.tensor([0.0, 1.0]))


# ------------------------------------------------------------------------------------------------ direct encoding


@pytest.mark.parametrize(("generation", "rate"), [(1, 0.1), (999, 0.1), (1000, 0.05), (2500, 0.025)])
def test_a_gene_mutates_with_a_rate_that_halves(generation, rate):
    middle = {"pixels": torch.full((200, 1, 28, 28), 0.5)}
    child = Direct().vary(middle, torch.arange(200), generation=generation, generator=source(2))["pixels"]
    moved = child != 0.5
    assert abs(moved.float().mean() - rate) < 5 * (rate / moved.numel()) ** 0.5
    assert abs((child - 0.5)[moved].abs().median() - 0.0424) < 0.002
    assert (middle["pixels"] == 0.5).all()


def test_children_stay_in_the_box_and_a_pair_keeps_its_middle():
    parents = {"pixels": torch.rand(400, *SHAPE, generator=source(1))}
    encoding = Direct(SHAPE, crossover=True)
    child = encoding.vary(parents, torch.arange(400), generation=10**6, generator=source(2))["pixels"]
    before = parents["pixels"]
    assert child.min() >= 0 and child.max() <= 1
    crossed = child != before
    assert 0.2 < crossed.float().mean() < 0.3  # half of the pairs, half of their genes
    assert torch.equal(crossed[0::2], crossed[1::2])
    gaps = [(each[0::2] - each[1::2]).abs()[crossed[0::2]] for each in (child, before)]
    assert 0.85 < (gaps[0] / gaps[1]).median() < 1.15
    odd = encoding.vary(parents, torch.arange(7), generation=1, generator=source(2))["pixels"]
    assert len(odd) == 7


def crossed_plainly(first, second, draw, eta=10):
    """Two children of two numbers in [0, 1], as Deb's own program makes them."""
    low, high = min(first, second), max(first, second)

    def spread(room):
        alpha = 2 - (1 + 2 * room / (high - low)) ** -(eta + 1)
        return (draw * alpha if draw <= 1 / alpha else 1 / (2 - draw * alpha)) ** (1 / (eta + 1))

    middle, half = (low + high) / 2, (high - low) / 2
    return middle - spread(low) * half, middle + spread(1 - high) * half


def test_crossover_is_deb_s():
    draws = torch.linspace(0.0005, 0.9995, 1000).tolist()
    expected = torch.tensor([crossed_plainly(0.3, 0.8, draw) for draw in draws])
    pair = torch.tensor([0.3, 0.8]).view(2, 1, 1, 1).expand(2, 1, 200, 200).repeat(40, 1, 1, 1)
    encoding = Direct((1, 200, 200), crossover=True)
    child = encoding.vary({"pixels": pair}, torch.arange(80), generation=10**6, generator=source(4))["pixels"]
    pairs = torch.stack([child[0::2], child[1::2]], -1).sort(-1).values.view(-1, 2)
    pairs = pairs[(pairs[:, 0] != pair.min()) | (pairs[:, 1] != pair.max())]
    for side in (0, 1):
        levels = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])
        ours, theirs = pairs[:100_000, side].quantile(levels), expected[:, side].quantile(levels)
        assert torch.allclose(ours, theirs, atol=0.003)


# ------------------------------------------------------------------------------------------------ painting networks


def painted(genomes, row, channels, x, y, height, width):
    """The outputs at one place, by recursion from the outputs back to the inputs."""
    half_x, half_y = (width - 1) / 2, (height - 1) / 2
    radius = math.hypot((x - half_x) / max(half_x, 1), (y - half_y) / max(half_y, 1))
    known = dict(enumerate((x, y, radius, 1.0)))

    def value(node):
        if node not in known:
            total = sum(
                genomes["weights"][row, node, source].item() * value(source)
                for source in range(genomes["linked"].shape[2])
                if genomes["linked"][row, node, source]
            )
            kind = list(FUNCTIONS)[genomes["function"][row, node]]
            known[node] = {
                "sine": lambda p: math.sin(p),
                "sigmoid": lambda p: math.tanh(p / 2),
                "gaussian": lambda p: math.exp(-min(p * p, 700)),
                "linear": lambda p: max(-3, min(3, p)) / 3,
            }[kind](total)
        return known[node]

    return [abs(value(len(INPUTS) + channel)) for channel in range(channels)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 5, 9), (3, 6, 4)])
def test_a_population_paints_what_recursion_paints(shape, seed):
    encoding = CPPN(shape, hidden=12)
    genomes = grown(encoding, times=25 + 20 * seed, seed=seed)
    genomes["weights"] = genomes["weights"].double()
    images = encoding.render(genomes)
    assert images.dtype == torch.float64
    channels, height, width = shape
    places = torch.randint(height * width, (4,), generator=source(seed)).tolist()
    for row in range(len(images)):
        for place in places:
            y, x = divmod(place, width)
            levels = torch.tensor(painted(genomes, row, channels, x, y, height, width), dtype=torch.float64)
            if channels == 3:
                levels = hls_to_rgb(levels.view(1, 3, 1, 1)).flatten()
            assert torch.allclose(images[row, :, y, x], levels, atol=1e-6)


def test_variation_keeps_genomes_whole():
    encoding = CPPN((3, 8, 8), hidden=7)
    genomes = grown(encoding, number=300, times=60)
    hidden = genomes["used"][:, len(INPUTS) + 3 :].sum(1)
    assert whole(genomes, outputs=3) and genomes["weights"].abs().max() <= 10
    assert hidden.max() == 7 and len(hidden.unique()) > 3


def test_mutations_happen_at_the_published_rates():
    encoding = CPPN(hidden=8)
    number = 20_000
    start = encoding.random(number, generator=source())
    child = encoding.vary(start, torch.arange(number), generation=1, generator=source(1))
    first = len(INPUTS)
    assert start["linked"].sum() == 4 * number and start["used"].sum() == 5 * number
    # without hidden nodes all four inputs are linked already, so that no link can be added
    hidden = child["used"][:, first + 1 :].sum(1)
    assert abs((hidden == 1).float().mean() - 0.5 * 0.8) < 0.02  # a node added, and not deleted again
    links = child["linked"].sum((1, 2))
    lost = (hidden == 0) & (links == 3)
    assert abs(lost.float().mean() - (0.3 * 0.5 + 0.7 * 0.5 * 0.2 + 0)) < 0.02
    kept = (child["linked"] & start["linked"])[:, first, :first]
    moved = (child["weights"] != start["weights"])[:, first, :first][kept]
    assert abs(moved.float().mean() - 0.1) < 0.01
    changed = (child["function"] != start["function"])[:, first]
    assert abs(changed.float().mean() - 0.1 * 0.75) < 0.01  # one draw in four gives the old function again


def test_a_link_can_be_added_and_is_never_doubled():
    encoding = CPPN(hidden=8)
    genomes = encoding.random(500, generator=source())
    genomes["linked"][:, 4, 1:4] = False  # only x is linked
    child = encoding.vary(genomes, torch.arange(500), generation=1, generator=source(1))
    links = child["linked"].sum((1, 2))[~child["used"][:, 5:].any(1)]  # where no node came in between
    assert links.unique().tolist() == [0, 1, 2] and 0.1 < (links == 2).float().mean() < 0.3


def test_a_finer_image_passes_through_the_same_values():
    encoding = CPPN((1, 14, 10))
    genomes = grown(encoding, number=20)
    genomes["weights"] = genomes["weights"].double()
    coarse, fine = encoding.render(genomes), encoding.render(genomes, size=(42, 30))
    assert torch.allclose(fine[:, :, 1::3, 1::3], coarse, atol=1e-6)
    assert encoding.render(genomes, size=(512, 512)).shape == (20, 1, 512, 512)


def test_a_graph_holds_what_the_image_depends_on():
    encoding = CPPN((1, 6, 6), hidden=9)
    genomes = grown(encoding, number=30)
    for row in range(30):
        nodes, depths, links, outputs = encoding.graph(genomes, row)
        assert outputs == (4,) and set(INPUTS) <= set(nodes.values())
        assert all(depths[start] < depths[end] for start, end in links)
        for (start, end), weight in links.items():
            assert genomes["linked"][row, end, start] and genomes["weights"][row, end, start] == weight
        outside = [n for n in range(genomes["used"].shape[1]) if genomes["used"][row, n] and n not in nodes]
        pruned = {name: genes[row : row + 1].clone() for name, genes in genomes.items()}
        pruned["linked"][:, outside] = False
        pruned["linked"][:, :, outside] = False
        assert torch.equal(encoding.render(pruned)[0], encoding.render(genomes)[row]) or torch.allclose(
            encoding.render(pruned)[0], encoding.render(genomes)[row], atol=1e-3
        )


def test_weights_can_be_trained_by_gradients():
    encoding = CPPN((1, 5, 5))
    genomes = grown(encoding, number=8, times=10)
    weights = (0.05 * genomes["weights"].double()).requires_grad_()

    def loss(weights):
        return encoding.render(genomes | {"weights": weights}).square().sum()

    (slope,) = torch.autograd.grad(loss(weights), weights)
    direction = torch.randn(weights.shape, generator=source(), dtype=torch.float64) * genomes["linked"]
    step = 1e-6
    with torch.no_grad():
        rise = (loss(weights + step * direction) - loss(weights - step * direction)) / (2 * step)
    assert torch.isclose(rise, (slope * direction).sum(), rtol=1e-3)


@pytest.mark.parametrize("make", [lambda: Direct((2, 5, 5)), lambda: CPPN((28, 28)), lambda: CPPN(SHAPE, hidden=0)])
def test_encodings_refuse_what_they_cannot_paint(make):
    with pytest.raises(ValueError, match="want"):
        make()


# ------------------------------------------------------------------------------------------------ ascent


def test_ascent_reports_each_step():
    model, targets, seen = network(), torch.tensor([2, 0, 1]), []
    halfway = ascend(model, targets, steps=7, shape=SHAPE, progress=False)
    ascend(model, targets, steps=12, shape=SHAPE, progress=False, on_step=seen.append)
    assert torch.stack(seen).shape == (12, 3)
    expected = evaluation.logits(model, halfway).softmax(1).gather(1, targets[:, None])[:, 0]
    assert torch.allclose(seen[7], expected, atol=1e-5)


def test_ascent_reaches_its_targets_and_leaves_the_model_alone():
    model = network().train()
    targets = torch.tensor([3, 0, 1, 2, 2])
    state = torch.get_rng_state()
    images = ascend(model, targets, steps=100, shape=SHAPE, progress=False)
    assert images.shape == (5, *SHAPE) and images.min() >= 0 and images.max() <= 1 and not images.requires_grad
    assert torch.equal(evaluation.predict(model, images).labels, targets)
    assert model.training and all(p.grad is None for p in model.parameters())
    assert torch.equal(state, torch.get_rng_state())


def test_each_image_climbs_by_itself():
    targets = torch.tensor([3, 0, 1])
    together = ascend(network(), targets, steps=20, shape=SHAPE, progress=False)
    alone = ascend(network(), targets[:1], steps=20, shape=SHAPE, progress=False)
    assert torch.allclose(together[:1], alone, atol=1e-5)


@pytest.mark.parametrize("name", REGULARIZERS)
def test_a_penalty_is_paid_less(name):
    targets = torch.tensor([3, 0, 1])
    sums = [
        REGULARIZERS[name](ascend(network(), targets, steps=60, shape=SHAPE, regularizer=r, strength=s, progress=False))
        for r, s in ((None, 0), (name, 0.02), (name, 0.2))
    ]
    assert sums[0] > sums[1] > sums[2]


def test_penalties_by_hand():
    image = torch.tensor([[0.0, 1.0], [0.5, 0.5]]).view(1, 1, 2, 2)
    assert [penalty(image).item() for penalty in REGULARIZERS.values()] == [1.5, 2.0]


class Rounding(nn.Module):
    def forward(self, images):
        return images.detach().round()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(targets=torch.tensor([4])), "labels run"),
        (dict(targets=[1]), "not a tensor"),
        (dict(steps=0), "steps=0"),
        (dict(regularizer="l1"), "no regularizer 'l1'"),
        (dict(step_size=-1), "step_size"),
        (dict(shape=(1, 4, 4)), "cannot take"),
        (dict(shape=(7, 5)), "want .channels"),
        (dict(model=nn.Sequential(Rounding(), network())), "no gradient"),
        (dict(model=lambda images: images.flatten(1)), "wrap it in one"),
    ],
)
def test_ascent_names_bad_input(change, message):
    arguments = dict(targets=torch.tensor([1]), steps=5, shape=SHAPE, progress=False) | change
    model = arguments.pop("model", None) or network()
    with pytest.raises((TypeError, ValueError), match=message):
        ascend(model, arguments.pop("targets"), **arguments)


class InPlace(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        images *= 0.9
        return self.model(images)


def test_ascent_bears_a_model_that_works_in_place_and_inference_mode():
    model, targets = network(), torch.tensor([3, 0])
    with torch.inference_mode():
        images = ascend(InPlace(model), torch.tensor([3, 0]), steps=100, shape=SHAPE, progress=False)
    assert torch.equal(evaluation.predict(model, 0.9 * images).labels, targets) and images.max() <= 1


def test_an_interrupted_ascent_returns_images(capsys):
    images = ascend(Interrupting(network(), at=6), torch.tensor([1]), steps=50, shape=SHAPE, progress=False)
    assert images.shape == (1, *SHAPE) and "Interrupted" in capsys.readouterr().out


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("encoding", [Direct(), CPPN()], ids=["direct", "cppn"])
def test_evolution_runs_on_a_gpu(encoding):
    model = models.LeNet5().cuda()
    unbroken = map_elites(model, encoding, generations=6, **QUIET)
    part = map_elites(model, encoding, generations=3, **QUIET)
    same(unbroken, map_elites(model, encoding, generations=3, resume=part.copy("cpu"), **QUIET))
    assert unbroken.images.is_cuda and all(genes.is_cuda for genes in unbroken.genomes.values())
