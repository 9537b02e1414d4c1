r"""Gradient ascent: from noise to an image that a network is sure of.

    x_{t+1} = clip(x_t + step along the gradient of  log p(target | x_t) - strength * penalty(x_t))

Each image has its own optimiser state (Adam), so that a batch of any size gives the same images as one by one. Without
a penalty the result is noise to us; a penalty on bright pixels or on edges asks for something smoother. Nguyen,
Yosinski and Clune 2014, arXiv 1412.1897, Figure 13, after Simonyan et al. 2013, arXiv 1312.6034.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import evaluation, runtime
from course_utils.core.checks import check_count, check_labels, check_shape
from course_utils.fooling._genomes import uniform

REGULARIZERS = {  # penalties of all images together
    "l2": lambda images: images.square().sum(),
    "total_variation": lambda images: images.diff(dim=2).abs().sum() + images.diff(dim=3).abs().sum(),
}


def ascend(
    model: nn.Module,
    targets: Tensor,
    *,
    steps: int = 100,
    regularizer: str | None = None,
    strength: float = 0.01,
    shape: tuple[int, int, int] = (1, 28, 28),
    step_size: float = 0.05,
    generator: torch.Generator | None = None,
    progress: bool = True,
    on_step: Callable[[Tensor], None] | None = None,
) -> Tensor:
    """Go from noise, even in [0, 1], to an image of each target class.

    Args:
        regularizer: "l2", the sum of the squared pixels, so that black costs nothing; or "total_variation", that of the
            absolute differences between neighbours, so that smooth costs little. ``strength`` is in nats a unit of it.
        step_size: of Adam, about how far a pixel moves in a step at first.
        on_step: called before each step with the confidence in each target, ``(N,)``, for curves.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    >>> images = ascend(model, torch.tensor([0, 1, 2]), steps=50, shape=(1, 4, 4))
    """
    if regularizer not in (None, *REGULARIZERS):
        raise ValueError(f"there is no regularizer {regularizer!r}: choose among {', '.join(REGULARIZERS)}, or None")
    steps, shape = check_count("steps", steps), check_shape(shape)
    if not (0 < step_size < float("inf") and 0 <= strength < float("inf")):
        raise ValueError(f"step_size={step_size}, strength={strength}: want finite numbers, the first above 0")
    generator, device = runtime.ensure_generator(generator), evaluation.device_of(model)
    number = len(targets) if isinstance(targets, Tensor) and targets.ndim else 1
    start = uniform(number, *shape, generator=generator, device=device).to(evaluation.dtype_of(model))
    check_labels(targets, number, evaluation.logits(model, start[:1]).shape[1])

    def gain(images: Tensor) -> Tensor:
        likely = -F.cross_entropy(evaluation.ask(model, images), aim, reduction="none")
        if on_step is not None:
            on_step(likely.detach().exp())
        if regularizer is None:
            return likely.sum()
        return likely.sum() - strength * REGULARIZERS[regularizer](images)

    with torch.inference_mode(False), torch.enable_grad(), evaluation.mode(model, False):
        aim, images = targets.to(device, copy=True), start.clone().requires_grad_()
        optimiser = torch.optim.Adam([images], lr=step_size, maximize=True)
        with runtime.progress_bar(steps, "ascend", progress) as bar:
            try:
                for _ in range(steps):
                    images.grad = evaluation.gradient(gain(images), images)
                    optimiser.step()
                    images.data.clamp_(0, 1)
                    bar.update()
            except KeyboardInterrupt:
                print("Interrupted: these are the images so far.")
    return images.detach().clamp(0, 1)
