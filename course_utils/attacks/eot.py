r"""Expectation over transformations (EOT): one canvas that works wherever it hangs.

A perturbation made for one picture is lost when the camera moves. So do not ask for one picture: let t put the canvas c
into a scene at random (print and photograph it, stick it on a photo, hang it behind something), and climb the mean

    E_t [ log P(target | t(c)) ]

with a few fresh draws of t a step. P is the softmax of the target. Athalye, Engstrom, Ilyas and Kwok 2017, arXiv
1707.07397; the patch is that of Brown et al. 2017, arXiv 1712.09665.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_utils import evaluation, runtime
from course_utils.core.checks import check_budget, check_counts, check_images, check_labels
from course_utils.core.tensors import project

Transformation = Callable[[Tensor, int, torch.Generator], Tensor]


def eot(
    model: nn.Module,
    scene: Transformation,
    start: Tensor,
    targets: Tensor,
    *,
    eps: float | None = None,
    steps: int = 60,
    batch: int = 8,
    step_size: float | None = None,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> Tensor:
    """Change a canvas until the model sees the target in most scenes. Test the result in fresh scenes.

    Args:
        scene: ``scene(canvas, number, generator)`` puts the canvas ``(1, c, h, w)`` into ``number`` scenes of its own
            drawing and returns the pictures, ``(number, C, H, W)`` in [0, 1]. Gradients must flow through it.
        start: the canvas at first, ``(1, c, h, w)`` in [0, 1], of any size; or M of them.
        targets: the class that the model is to see, int64 ``(1,)``; or M of them.
        eps: largest change of a pixel of the canvas; None allows every canvas.
        batch: new scenes of each canvas in a step: a pass both ways for every one of them.
        step_size: of Adam, about how far a pixel moves in a step at first; None takes 0.05, or ``eps / 4``. It falls
            to 0 towards the end, in a straight line.

    >>> def dimmed(canvas, number, generator):
    ...     return canvas * torch.rand(number, 1, 1, 1, generator=generator)
    >>> eot(nn.Flatten(), dimmed, torch.full((1, 1, 1, 2), 0.4), torch.tensor([1]), eps=0.25)
    tensor([[[[0.1500, 0.6500]]]])
    """
    check_counts(steps=steps, batch=batch)
    check_budget(1 if eps is None else eps, "linf")
    if step_size is None:
        step_size = 0.05 if eps is None else eps / 4
    if not 0 <= step_size < float("inf"):
        raise ValueError(f"step_size={step_size}: want a length in pixel units, such as 0.05")
    generator, device = runtime.ensure_generator(generator), evaluation.device_of(model)
    with torch.inference_mode(False), torch.enable_grad(), evaluation.mode(model, False):
        centre = check_images(start).detach().to(device, copy=True)
        with torch.no_grad():
            classes = evaluation.logits(model, _pictures(scene, centre[:1], 1, runtime.ensure_generator())).shape[1]
        targets = check_labels(targets, len(start), classes).to(device).repeat_interleave(batch)
        canvas = centre.clone().requires_grad_()

        def inside(x):
            return x.clamp(0, 1) if eps is None else project(x, centre, eps, "linf")

        optimiser = torch.optim.Adam([canvas], lr=step_size, maximize=True)
        fade = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)
        try:
            with runtime.progress_bar(steps, "eot", progress) as bar:
                for _ in range(steps):
                    pictures = torch.cat([_pictures(scene, one, batch, generator) for one in canvas.split(1)])
                    logits = model(pictures)
                    log_p = logits.gather(1, targets[:, None])[:, 0] - logits.logsumexp(1)
                    canvas.grad = evaluation.gradient(log_p.sum() / batch, canvas)
                    optimiser.step()
                    fade.step()
                    canvas.data = inside(canvas.data)
                    bar.update()
                    bar.set_postfix(log_p=f"{log_p.mean().item():.2f}")
        except KeyboardInterrupt:
            print("Interrupted: this is the canvas so far.")
        return inside(canvas.data).to(start)


def _pictures(scene: Transformation, canvas: Tensor, number: int, generator: torch.Generator) -> Tensor:
    pictures = scene(canvas, number, generator)
    try:
        if len(check_images(pictures)) != number:
            raise ValueError(f"{len(pictures)} pictures where {number} were asked for")
    except (TypeError, ValueError) as error:
        raise type(error)(f"the scene returns something else than pictures: {error}") from None
    return pictures
