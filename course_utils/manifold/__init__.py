"""The manifold of images: its dimension, its tangent spaces, and what lies off it.

- `neighbours`: `nearest` finds the k nearest points of each query.
- `dimension`: `mle`, `two_nn` and `local_pca` read the intrinsic dimension off them.
- `tangent`: `tangent` and `local_tangent` give the directions in which an image may change, `rank` counts them.
- `projection`: `closest` projects an image on the pictures of a camera.
- `scores`: `Neighbour`, `autoencoder` and `vae` score how far off an image is, and `off_manifold` asks them.
- `detection`: `threshold` and `roc` judge a score.
- `reject_option`: `RejectOption`, the network that an adaptive attacker of the score attacks.
"""

from course_utils.manifold.detection import roc, threshold
from course_utils.manifold.dimension import local_pca, mle, two_nn
from course_utils.manifold.neighbours import nearest
from course_utils.manifold.projection import closest
from course_utils.manifold.reject_option import RejectOption
from course_utils.manifold.scores import Neighbour, autoencoder, off_manifold, vae
from course_utils.manifold.tangent import local_tangent, rank, tangent

__all__ = [
    "Neighbour",
    "RejectOption",
    "autoencoder",
    "closest",
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
