"""The manifold of images: its dimension, its tangent spaces, and what lies off it.

- `neighbours`: `nearest` finds the k nearest points of each query.
- `dimension`: `mle`, `two_nn` and `local_pca` read the intrinsic dimension off them.
- `tangent`: `tangent` and `local_tangent` give the directions in which an image may change, `rank` counts them,
  `along_and_across` and `fraction_along` take a perturbation apart.
- `projection`: `closest` projects an image on the pictures of a camera.
- `scores`: `Neighbour`, `autoencoder` and `vae` score how far off an image is, and `off_manifold` asks them.
- `detection`: `threshold`, `roc` and `auc` judge a score.
- `reject_option`: `RejectOption`, the network that an adaptive attacker of the score attacks.
"""

from course_utils.manifold.detection import auc, roc, threshold
from course_utils.manifold.dimension import inverses, local_pca, mle, two_nn
from course_utils.manifold.neighbours import Neighbours, nearest
from course_utils.manifold.projection import Closest, closest
from course_utils.manifold.reject_option import RejectOption
from course_utils.manifold.scores import Likelihood, Neighbour, Reconstruction, autoencoder, off_manifold, vae
from course_utils.manifold.tangent import Tangent, along_and_across, fraction_along, local_tangent, rank, tangent

__all__ = [
    "Closest",
    "Likelihood",
    "Neighbour",
    "Neighbours",
    "Reconstruction",
    "RejectOption",
    "Tangent",
    "along_and_across",
    "auc",
    "autoencoder",
    "closest",
    "fraction_along",
    "inverses",
    "local_pca",
    "local_tangent",
    "mle",
    "nearest",
    "off_manifold",
    "rank",
    "roc",
    "tangent",
    "threshold",
    "two_nn",
    "vae",
]
