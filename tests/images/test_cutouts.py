import pytest
import torch

from course_utils import evaluation, zoo
from course_utils.core import storage
from course_utils.images import collage, cutouts, photographs
from course_utils.zoo import imagenet


@pytest.mark.parametrize("name", cutouts.NAMES)
def test_cutouts_are_one_thing_on_nothing(name):
    thing = cutouts.cutout(name)
    assert thing.shape[:2] == (1, 4) and thing.dtype == torch.float32 and thing.amin() >= 0 and thing.amax() <= 1
    alpha = thing[0, 3]
    assert 0.35 < alpha.mean() < 0.95  # neither a sliver nor the whole photograph
    assert ((alpha > 0.01) & (alpha < 0.99)).float().mean() < 0.1  # in or out, but for the edge
    for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]):
        assert edge.amax() > 0.3  # cropped to the thing
    assert torch.equal(thing, cutouts.cutout(name))


@pytest.mark.parametrize("name", cutouts.NAMES)
def test_colours_are_those_of_the_photograph(name):
    row = cutouts.cutout(name).cpu()[0, :3, 100]
    pixels = row.T.mul(255).round().byte().numpy().tobytes()
    photo = photographs.raw_photo(cutouts.PHOTO.get(name, name))
    assert sum(pixels in line.tobytes() for line in photo) == 1


def test_alpha_tells_the_thing_from_what_is_behind_it():
    """Two places a look at the photographs settles: the espresso and the wood, the flower and the leaves."""
    for name, inside, outside in (("coffee", (100, 200), (5, 5)), ("dahlia", (138, 138), (4, 4))):
        alpha = cutouts.cutout(name)[0, 3]
        assert alpha[inside] == 1 and alpha[outside] < 0.01
    wheels = cutouts.cutout("motorcycle")[0, 3, -100:]
    assert wheels[:, :5].amax() < 0.01 and wheels[:20].mean() > 0.3


def test_a_cutout_may_be_changed():
    cutouts.cutout("cat").zero_()
    assert cutouts.cutout("cat").amax() == 1


def test_names_that_are_none():
    with pytest.raises(ValueError, match="no cut-out is called 'dog': there are motorcycle, coffee, cat"):
        cutouts.cutout("dog")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("motorcycle", {"moped", "motor scooter"}),
        ("coffee", {"espresso", "cup"}),
        ("cat", {"Egyptian cat", "tabby", "tiger cat"}),
        ("shuttle", {"space shuttle"}),
    ],
)
def test_mobilenet_knows_the_thing_without_its_background(name, classes):
    try:
        model = zoo.load("mobilenet_v2")
    except storage.Missing as error:
        pytest.skip(f"no weights here and no way to them: {error}")
    thing = cutouts.cutout(name)
    grey = torch.full((1, 3, 224, 224), 0.5).to(thing)
    scale = 180 / max(thing.shape[2:])
    corner = [round((224 - scale * length) / 2) for length in thing.shape[2:]]
    [[(found, sure)]] = imagenet.top(model, collage.paste(grey, thing, corner, 180), k=1)
    assert found in classes and sure > 0.4
    assert model.classes[evaluation.logits(model, grey).argmax()] not in classes
