r"""A face where there is none, and none where there is one: attacks on a whole face detector.

`detector.detect` has no gradient: it cuts windows at whole pixels, asks one network after the other, and drops what
lies below a threshold. Its three networks have one, and the windows that they will see can be guessed. So cut windows
about a square at random, shrink them to the 12, 24 and 48 pixels of the nets, and let Adam lower, in all three at once,

    -log p(face | window) + w * |shifts(window) - (square - window)|^2

for a face to `appear`; the second term asks each net to point back at the square. For faces to `vanish`, lower
-log p(no face | window) about each face that is still found. After each step the pixels are brought back into the ball
of radius eps. Whether it worked is for `detector.detect` to say, on the 256 levels of a file, and not for the loss.

Xie et al. 2017, "Adversarial examples for semantic segmentation and object detection", arXiv 1703.08603, sum a loss
over the windows of a detector in this way.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils import evaluation, runtime
from course_utils.core.checks import check_budget, check_count, levels
from course_utils.core.tensors import project
from course_utils.faces import detector
from course_utils.faces.detector import Cascade, CascadeNet

MOVE, GROW = 0.1, 0.2  # how far windows lie from their square, and how much their size differs, as fractions of it
POINT = 5.0  # weight of the shifts
LOOK = 5  # steps from one look of the whole cascade to the next

Square = tuple[int, float, float, float]  # number of the image; left, top and side in pixels


def appear(
    start: Tensor,
    *,
    eps: float | None = None,
    cascade: Cascade | None = None,
    steps: int = 100,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> Tensor:
    """Perturb pictures until the face detector sees a face in the middle of each, with 0.8 of its shorter side.

    All steps are taken, also with a face found early: more make it surer. Each pixel comes back on one of 256 levels
    where such a level lies within ``eps``, whether a face is seen or not.

    Args:
        start: noise or photos, ``(N, 3, H, W)``, or ``(N, 1, H, W)`` if they are to stay grey.
        eps: None sets no limit.
        cascade: the networks; None takes the trained ones.
    """
    detector.check_pictures(start, detector.SMALLEST)
    height, width = start.shape[2:]
    side = max(detector.SMALLEST, round(0.8 * min(height, width)))
    squares = [(number, (width - side) // 2, (height - side) // 2, side) for number in range(len(start))]
    return _search(start, 1.0 if eps is None else eps, cascade, steps, generator, progress, squares)


def vanish(
    images: Tensor,
    eps: float,
    *,
    cascade: Cascade | None = None,
    steps: int = 40,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> Tensor:
    """Perturb photos, as `appear` takes them, until the face detector finds no face in them.

    An image without faces is left as it is from then on; one that keeps its faces comes back as after the last step.
    """
    detector.check_pictures(images, detector.SMALLEST)
    return _search(images, eps, cascade, steps, generator, progress)


def _search(start, eps, cascade, steps, generator, progress, squares: list[Square] | None = None) -> Tensor:
    """Descend in the pixels: towards a face in each square or, with None, away from the faces that are still found."""
    check_budget(eps, "linf")
    check_count("steps", steps)
    cascade = detector.nets(start.device) if cascade is None else cascade
    generator, appears = runtime.ensure_generator(generator), squares is not None
    rows = list(range(len(start)))  # of the images that are still to be changed
    bar = runtime.progress_bar(steps, "appear" if appears else "vanish", progress)
    with torch.inference_mode(False), torch.enable_grad(), bar:
        latest = start.clone()
        centre = start.detach().to(next(cascade.pnet.parameters()), copy=True)
        x = centre.clone().requires_grad_()
        optimiser = torch.optim.Adam([x], lr=min(eps / 4, 0.02))
        try:
            for step in range(steps):
                if step % LOOK == 0 and not appears:
                    latest[rows] = _levels(x, start, eps)[rows]
                    squares = _faces(latest, rows, cascade)
                    rows = sorted({row for row, *_ in squares})
                    if not squares:
                        break
                loss = sum(_loss(net, x, squares, appears, generator) for net in cascade)
                x.grad = evaluation.gradient(loss, x)
                optimiser.step()
                x.data = project(x.data, centre, eps, "linf")
                bar.update()
        except KeyboardInterrupt:
            print("Interrupted: these are the pictures so far.")
        latest[rows] = _levels(x, start, eps)[rows]
        bar.update(steps - bar.n)  # finished early
    return latest


def _faces(images: Tensor, rows: list[int], cascade: Cascade) -> list[Square]:
    """A square around each face that the detector finds in these rows of the images."""
    return [
        (row, left, top, right - left)
        for row, found in zip(rows, detector.detect(images[rows], cascade), strict=True)
        for left, top, right, _ in detector.squares(found.boxes.cpu().double()).tolist()
    ]


def _loss(net: CascadeNet, x: Tensor, squares: list[Square], face: bool, generator: torch.Generator) -> Tensor:
    """How far the net is from saying "face", or "no face", of a random window about each square: a sum in nats."""
    height, width = x.shape[2:]
    windows, aims = [], []
    for number, left, top, side in squares:
        right, down, more = (2 * torch.rand(3, generator=generator, device=generator.device) - 1).tolist()
        size = side * (1 + GROW * more)
        first, above = (round(at + (side - size) / 2 + MOVE * side * way) for at, way in ((left, right), (top, down)))
        size = round(size)
        rows = slice(min(max(above, 0), height - 1), max(above + size, 1))
        columns = slice(min(max(first, 0), width - 1), max(first + size, 1))
        window = x[number : number + 1, :, rows, columns].expand(-1, 3, -1, -1)
        windows.append(F.interpolate(window, (net.side, net.side), mode="area"))
        edges = left - first, top - above, left + side - first - size, top + side - above - size
        aims.append([edge / size for edge in edges])
    logits, shifts, *_ = (answer.flatten(1) for answer in net.look(torch.cat(windows)))
    loss = F.cross_entropy(logits, torch.full((len(squares),), int(face), device=x.device), reduction="sum")
    return loss + POINT * (shifts - shifts.new_tensor(aims)).square().sum() if face else loss


def _levels(x: Tensor, start: Tensor, eps: float) -> Tensor:
    """The pictures as a file holds them, on 256 levels, each pixel on its nearest within ``eps`` of the start."""
    level = levels(x.detach().to(start))
    too_far = (level - 255 * start).abs() > 255 * eps + 1e-3
    level = level - too_far * (level - 255 * start).sign()
    return project(level / 255, start, eps, "linf")
