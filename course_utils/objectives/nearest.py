"""The nearest digit: a classifier that learns nothing and forgets nothing.

    f_k(x) = - min |x - x_i|  over the kept images x_i of class k

The class with the largest logit is the label of the nearest image, and the margin over class j says how much farther
the nearest j is: |x' - x| has to be half of the margin at least before the label can change. Cover and Hart, IEEE
Transactions on Information Theory, 1967.
"""

import torch
from torch import Tensor, nn

from course_utils.data import Split
from course_utils.manifold.neighbours import nearest
from course_utils.objectives.fitting import check_split, flat, frozen


class NearestDigit(nn.Module):
    """Logits are distances to the nearest kept image of each class, with a minus, in pixel units. Nothing is trained.

    The nearest images are looked up without a gradient; the distance to them has one.

    >>> kept = Split(torch.tensor([0.0, 0.1, 0.9, 1.0]).view(4, 1, 1, 1), torch.tensor([0, 0, 1, 1]))
    >>> NearestDigit(kept)(torch.tensor([[[[0.4]]]]))
    tensor([[-0.3000, -0.5000]])
    """

    def __init__(self, split: Split):
        super().__init__()
        classes, pixels = check_split(split, every=True), split.images.flatten(1)
        self.points = nn.ParameterList(frozen(pixels[split.labels == k]) for k in range(classes))

    def forward(self, images: Tensor) -> Tensor:
        pixels = flat(images, self.points[0])
        return -torch.stack([self._distances(pixels, points) for points in self.points], dim=1)

    def _distances(self, pixels: Tensor, points: Tensor) -> Tensor:
        rows = nearest(pixels, points, 1, progress=False).rows[:, 0]
        if len(rows) < len(pixels):  # the search was stopped, and hands back what it has
            raise KeyboardInterrupt
        return torch.linalg.vector_norm(pixels - points[rows], dim=1)
