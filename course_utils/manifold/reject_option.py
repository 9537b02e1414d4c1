r"""A classifier that rejects what its detector finds too far off, as one network that an attack can be aimed at.

Beside the K logits f of the classifier there is one more, which stands for "rejected",

    r(x) = max_k f_k(x) + (score(x) - threshold) / unit

so that it wins exactly if the score is above the threshold. Carlini and Wagner (arXiv 1705.07263, section 4) built such
networks to break ten published detectors. A hard "reject if above" would have the same answers and no gradient: an
attack that follows gradients would fail, and prove nothing.
"""

import torch
from torch import Tensor, nn

from course_utils import evaluation
from course_utils.manifold.scores import check_scores


class RejectOption(nn.Module):
    """``model``, and one more class, the last, for images whose ``score`` is above ``threshold``.

    An attack that wants to be misclassified *and* accepted has to be targeted, at wrong classes below K: untargeted,
    being rejected counts as success. Choose the targets on the plain model, since a rule such as "nearest" may choose
    the last class here.

    Args:
        model: maps images ``(N, C, H, W)`` in [0, 1] to logits ``(N, K)``.
        score: maps them to one number each, ``(N,)``, larger if farther off.
        threshold: the largest score that is accepted.
        unit: how much of the score weighs as much as one logit. The standard deviation of the scores of ordinary images
            is a good choice. An attack that wants a margin of kappa logits has to end kappa units below the threshold.

    Raises:
        ValueError: on a call, a score that is not one finite number an image.

    >>> class Brightness(nn.Module):
    ...     def forward(self, images):
    ...         return images.flatten(1).mean(1)
    >>> cautious = RejectOption(nn.Flatten(), Brightness(), threshold=0.5)
    >>> cautious(torch.tensor([[[[0.0, 0.5]]], [[[0.75, 1.0]]]]))
    tensor([[0.0000, 0.5000, 0.2500],
            [0.7500, 1.0000, 1.3750]])
    """

    def __init__(self, model: nn.Module, score: nn.Module, threshold: float, unit: float = 1.0):
        super().__init__()
        for module, name in ((model, "model"), (score, "score")):
            if not isinstance(module, nn.Module):
                raise TypeError(f"the {name} is a {type(module).__name__}, not an nn.Module: wrap it in one")
        if not (abs(threshold) < float("inf") and 0 < unit < float("inf")):
            raise ValueError(f"threshold={threshold}, unit={unit}: want finite numbers, the second above 0")
        self.model, self.score, self.threshold, self.unit = model, score, float(threshold), float(unit)

    def forward(self, images: Tensor) -> Tensor:
        """``(N, C, H, W)`` -> logits ``(N, K + 1)``."""
        logits = evaluation.check_logits(evaluation.ask(self.model, images), len(images))
        scores = check_scores(evaluation.ask(self.score, images), len(images))
        beyond = (scores - self.threshold) / self.unit
        return torch.cat([logits, (logits.amax(1) + beyond)[:, None]], dim=1)

    def accepted(self, images: Tensor) -> Tensor:
        """Which images are not rejected, bool ``(N,)``."""
        outputs = evaluation.logits(self, images)
        return outputs.argmax(1) < outputs.shape[1] - 1
