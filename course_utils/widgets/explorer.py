"""An attack explorer: choose a digit, an attack and its settings, and see what the network says before and after."""

import io

import torch
from torch import Tensor, nn

from course_utils import attacks, data, evaluation, figures, runtime
from course_utils.core.checks import check_labels
from course_utils.widgets.sliders import controls

IMAGES = 20  # test digits to choose from
ATTACKS = {  # of the network, images and labels
    "one step": lambda *of, eps, steps: attacks.fgsm(*of, eps),
    "pgd": lambda *of, eps, steps: attacks.pgd(*of, eps, steps=steps, start="clean", progress=False),
    "deepfool": lambda *of, eps, steps: attacks.deepfool(*of, steps=steps, progress=False),
    "carlini_wagner": lambda *of, eps, steps: attacks.carlini_wagner(*of, search_steps=2, steps=steps, progress=False),
}
PRESETS = [
    dict(image=0, attack="one step", eps=0.1, steps=10),
    dict(image=0, attack="one step", eps=0.25, steps=10),
    dict(image=0, attack="pgd", eps=0.15, steps=10),
    dict(image=0, attack="deepfool", eps=0.1, steps=10),
]


def attack_explorer(model: nn.Module):
    """Sliders for image, attack, eps and steps; below them the clean image, the difference, the adversarial image.

    "one step" and "pgd" keep to the budget ``eps``; "deepfool" and "carlini_wagner" look for the smallest perturbation
    and ignore it. "one step" ignores ``steps``. ``model`` takes images ``(N, 1, 28, 28)``.

    >>> from course_utils import models
    >>> still = attack_explorer(models.LeNet5())
    """
    digits = data.mnist(evaluation.device_of(model)).test[:IMAGES]
    classes = evaluation.logits(model, digits.images[:1]).shape[1]
    check_labels(digits.labels, IMAGES, classes)
    canvas = _Canvas(classes)

    def draw(image: int, attack: str, eps: float, steps: int) -> figures.Picture:
        clean, label = digits.images[image : image + 1], digits.labels[image : image + 1]
        with runtime.one_thread():
            adversarial = ATTACKS[attack](model, clean, label, eps=eps, steps=steps)
            answers = evaluation.logits(model, torch.cat([clean, adversarial])).softmax(1).cpu()
        return canvas.show(clean[0].cpu(), adversarial[0].cpu(), int(label), answers)

    return controls(draw, PRESETS, image=(0, IMAGES - 1), attack=list(ATTACKS), eps=(0.0, 0.5, 0.01), steps=(1, 20))


class _Canvas:
    """One figure, filled again with each turn of a slider: that takes a third of the time that a new one would."""

    def __init__(self, classes: int):
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        canvas, (*self.images, bars) = figures.figure(8.2, 2.5, ncols=4, width_ratios=[1, 1, 1, 1.7])
        for axis, title in zip(self.images, ("clean", "difference", "adversarial"), strict=True):
            figures.show(axis, torch.zeros(1, 28, 28), "0  > 99.99 %", title=title)
        self.images[1].images[0].set_cmap("RdBu_r")
        self.bars = [
            bars.bar([k + shift for k in range(classes)], [0.0] * classes, width=0.4, color=color)
            for shift, color in ((-0.2, figures.CLEAN), (0.2, figures.ADVERSARIAL))
        ]
        bars.set(ylim=(0, 1), ylabel="confidence", xlabel="class", xticks=range(0, classes, -(-classes // 10)))
        bars.set_title("blue: before, orange: after", fontsize=9)
        canvas.draw_without_rendering()
        canvas.set_layout_engine("none")  # the layout stays as it has settled
        self.agg = FigureCanvasAgg(canvas)

    def show(self, clean: Tensor, adversarial: Tensor, label: int, answers: Tensor) -> figures.Picture:
        perturbation = adversarial - clean
        largest, length = perturbation.abs().max().item(), perturbation.norm().item()
        named = answers.argmax(1).tolist()
        says = [f"{k}  {figures.percent(answers[i, k])}" for i, k in enumerate(named)]
        fooled = named[1] != label
        grey = (perturbation / max(largest, 1e-6) + 1) / 2
        panels = [
            (clean, says[0], figures.CLEAN),
            (grey, f"largest {largest:.3f}, L2 {length:.2f}", "black"),
            (adversarial, says[1], figures.ADVERSARIAL if fooled else "black"),
        ]
        for axis, (pixels, text, color) in zip(self.images, panels, strict=True):
            axis.images[0].set_data(pixels[0].numpy())
            axis.set_xlabel(text, fontsize=9, color=color)
        self.images[1].set_title(f"difference × {1 / largest:.2g}" if largest else "no difference", fontsize=10)
        for group, heights in zip(self.bars, answers.tolist(), strict=True):
            for bar, height in zip(group, heights, strict=True):
                bar.set_height(height)
        buffer = io.BytesIO()
        self.agg.print_png(buffer)  # savefig would draw twice
        alt = (
            f"A digit that the network calls {says[0]}, a perturbation whose largest pixel is {largest:.3f} and whose "
            f"Euclidean length is {length:.2f}, and the changed digit, called {says[1]}. The label is {label}: the "
            f"network {'is fooled' if fooled else 'is not fooled'}."
        )
        return figures.Picture(buffer.getvalue(), alt)
