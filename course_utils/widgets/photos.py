"""A photo to attack: choose a class, and see what a small perturbation makes a network say.

Three versions of the photo stand side by side: as it is, after a few steps of targeted projected gradient descent
(Madry et al., arXiv 1706.06083), and with random signs of the same size as the control. All are in 256 levels, as a
file would keep them, and the network is asked about what is on the screen.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from course_utils import attacks, evaluation, figures, runtime
from course_utils.core.checks import check_images, levels
from course_utils.images import photographs, uploads
from course_utils.widgets.base import Widget, to_bytes

BEST = 5  # classes with a bar
EPS, STEPS = 4, 10  # of 255 levels, of the attack: where the sliders start
MOST = {"eps": 16, "steps": 10}
TARGET = "ostrich"  # the class to start with
FACTOR = 8  # of the difference: 16 levels become half of the range
STILLS = ((0, 1), (1, 4))  # in the static twin: a photo by its number, and eps


def photo_attack(model: nn.Module, photos: Mapping[str, Tensor]):
    """Attack a photo, of yours or of the course, towards a class of your choice; without a front end, two attacks.

    Args:
        model: a network of ImageNet from `zoo.load`, or another one with ``classes``, the tuple of its names.
        photos: name -> image ``(1, C, H, W)``.
    """
    if TARGET not in getattr(model, "classes", ()):
        hint = "want one of ImageNet, such as zoo.load('mobilenet_v2')"
        raise TypeError(f"the model has no names for its classes, or none is {TARGET!r}: {hint}")
    if not photos:
        raise ValueError("there are no photos: give a name and an image for each")
    for name, image in photos.items():
        if len(check_images(image)) != 1:
            raise ValueError(f"{name!r} is {len(image)} images: give one for each name, such as images[:1]")
    return PhotoAttack.show(model, dict(photos))


class PhotoAttack(Widget):
    """The photos, the one that is looked at, and the last attack on it."""

    scripts = ("uploads",)
    plain = (ValueError,)

    def __init__(self, network: nn.Module, photos: dict[str, Tensor]):
        super().__init__()
        self.network, self.photos = network, photos
        self.generator = runtime.ensure_generator(device=evaluation.device_of(network))
        self.settings = {"target": network.classes.index(TARGET), "eps": EPS, "steps": STEPS}
        first = next(iter(photos))
        self._look(first, levels(photos[first]) / 255)

    @staticmethod
    def still(network: nn.Module, photos: Mapping[str, Tensor]) -> figures.Picture:
        tried = {}
        for number, eps in STILLS:
            name = list(photos)[number % len(photos)]
            tried[name, eps] = attempt(network, photos[name], network.classes.index(TARGET), eps, STEPS)
        return _picture(network, tried, f"Photos attacked in {STEPS} steps towards {TARGET}")

    def picture(self) -> figures.Picture:
        """The photo that is looked at, and the last attack on it; before the first one, the photo alone."""
        eps = 0 if len(self.images) == 1 else self.settings["eps"]
        images = self.images.expand(3, -1, -1, -1)  # three are three
        what = f"A photo, attacked towards {self.network.classes[self.settings['target']]}"
        return _picture(self.network, {(self.photo, eps): images}, what)

    def obey(self, do: str, name: str = "", data: str = "", **settings: int) -> tuple[dict, list[bytes]]:
        """ "show"; "photo", with its ``name``; "upload" a file with ``name`` and ``data``; "attack" with ``settings``.

        The buffers are the photo; after an attack also that attacked, that with random signs, and the `difference`.
        """
        if do == "photo":
            self._look(name, levels(self.photos[name]) / 255)
        elif do == "upload":
            image = photographs.crop(uploads.read_upload(data, name))
            kept = f"{name} (yours)"
            self._look(kept, levels(image) / 255)
            self.photos[kept] = image
        elif do == "attack":
            images = attempt(self.network, self.images[:1], **settings, generator=self.generator)
            self._look(self.photo, images, settings)
        texts = {"photos": list(self.photos), "photo": self.photo, "shape": list(self.images.shape[1:])}
        texts |= {"bars": self.bars, "factor": FACTOR, "most": MOST, **self.settings}
        texts |= {"classes": self.network.classes} if do == "show" else {}
        return texts, [to_bytes(image[None]) for image in torch.cat([self.images, difference(self.images)])]

    def _look(self, photo: str, images: Tensor, settings: dict[str, int] | None = None) -> None:
        bars = opinions(self.network, images, settings["target"] if settings else None)
        self.photo, self.images, self.bars, self.settings = photo, images, bars, settings or self.settings


def attempt(
    model: nn.Module, image: Tensor, target: int, eps: int, steps: int, *, generator: torch.Generator | None = None
) -> Tensor:
    """An image ``(1, C, H, W)``, the same after a targeted attack, and with random signs of the same size.

    They are in 256 levels, of which ``eps`` is a number. A class that is predicted already is refused.
    """
    clean = (levels(check_images(image)) / 255).to(evaluation.device_of(model))
    label = evaluation.predict(model, clean).labels
    if label.item() == target:
        raise ValueError("the network says so without any attack: choose another class")
    settings = dict(targets=torch.full_like(label, target), steps=steps, start="clean", early_exit=False)
    attacked = attacks.pgd(model, clean, label, eps / 255, **settings, progress=False)
    noisy = attacks.random_noise(model, clean, label, eps / 255, generator=generator)
    return levels(torch.cat([clean, attacked, noisy])) / 255


def difference(images: Tensor) -> Tensor:
    """What the attack changed, times 8, about grey: ``(1, C, H, W)``, or ``(0, C, H, W)`` where there is no attack."""
    return (128 / 255 + FACTOR * (images[1:2] - images[: len(images[1:2])])).clamp(0, 1)


def opinions(model: nn.Module, images: Tensor, also: int | None = None) -> list[list[tuple[int, float, str]]]:
    """For each image the five likeliest classes, and class ``also``: number, softmax probability, the same as text."""
    found = []
    for p in evaluation.logits(model, images).cpu().double().softmax(1):
        best = p.topk(min(BEST, len(p))).indices.tolist()
        rows = best if also is None or also in best else [*best, also]
        found.append([(k, p[k].item(), figures.percent(p[k])) for k in rows])
    return found


def _picture(model: nn.Module, tried: Mapping[tuple[str, int], Tensor], what: str) -> figures.Picture:
    """Attacks by photo and eps: the photo attacked, what was said, and beneath it what the attack changed."""
    canvas, axes = figures.figure(1.8 * len(tried), 3.9, nrows=2, ncols=len(tried), squeeze=False)
    texts = []
    for (above, below), ((name, eps), images) in zip(axes.T, tried.items(), strict=True):
        before, after, control = (f"{model.classes[k]} {text}" for [(k, _, text), *_] in opinions(model, images))
        figures.show(above, images[1], f"was {before}\nis {after}\nwith random signs\n{control}")
        above.set_title(f"{name}, ε = {eps}/255", fontsize=10)
        figures.show(below, difference(images)[0].mean(0, keepdim=True), f"the change × {FACTOR}")
        texts.append(f"{name} at {eps}/255: before {before}, attacked {after}, with random signs {control}")
    return figures.picture(canvas, f"{what}, and the network's first guess. {'; '.join(texts)}.")
