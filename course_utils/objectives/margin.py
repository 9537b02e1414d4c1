r"""A loss that asks for a margin in the image itself.

Cross-entropy is never content. A hinge is, ``max(0, margin + max_{j != y} f_j - f_y)``, once the right logit leads by
as much as wanted (Crammer and Singer, JMLR 2001). For a linear machine of fixed weights this margin is a distance in
the image, and that is the support vector machine. For a network it is not: logits twice as large have twice the margin
at the same distance from the boundary. To first order the distance to the boundary with class j is the margin divided
by its slope, which makes a loss that sees the image,

    max(0, gamma + (f_j - f_y) / |grad_x (f_j - f_y)|)

(Elsayed et al., arXiv 1803.05598). The paper offers several classes j and layers; here j is the strongest wrong class,
and the layer is the image. As there, errors count by their distance, so that the loss also pulls them over.
"""

import torch
from torch import Tensor, nn

from course_utils import evaluation

FLAT = 1e-3  # added to the slope, in logits a unit of distance: where the network is flat, no division by 0


def large_margin(model: nn.Module, images: Tensor, labels: Tensor, gamma: float = 2.0) -> Tensor:
    """The mean loss of a margin in the image: 0 where each image is ``gamma`` inside its class, to first order.

    ``gamma`` is the Euclidean distance to the boundary, in pixel units. The gradient of the logits is part of the loss
    and is differentiated again, so that a step costs several times as much.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    >>> model[1].weight.data = torch.tensor([[3.0, 4.0], [0.0, 0.0]])  # the boundary 3 a + 4 b = 0
    >>> large_margin(model, torch.tensor([[[[0.6, 0.8]]]]), torch.tensor([0])).round(decimals=2).item()  # 1 away
    1.0
    """
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        margin = evaluation.margin(evaluation.ask(model, images), labels)
        slope = evaluation.gradient(margin.sum(), images, create_graph=True)
        distance = margin / (slope.flatten(1).norm(dim=1) + FLAT)
        return (gamma - distance).relu().mean()
