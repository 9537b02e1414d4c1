"""The manifold of images: its dimension, its tangent spaces, and what lies off it.

`nearest` finds neighbours; `mle`, `two_nn` and `local_pca` read a dimension off them; `tangent` and `local_tangent`
give the directions in which an image may change, and `split` takes a change apart into those along and across;
`closest` projects an image on the pictures of a camera. `Neighbour`, `autoencoder` and `vae` score how far off an image
is, `threshold`, `roc` and `area` judge a score, and `Guarded` is the network that an attacker of the score attacks.
"""

from course_utils.manifold.detection import area, roc, threshold
from course_utils.manifold.dimension import inverses, local_pca, mle, two_nn
from course_utils.manifold.guarded import Guarded
from course_utils.manifold.neighbours import Neighbours, nearest
from course_utils.manifold.projection import Closest, closest
from course_utils.manifold.scores import Likelihood, Neighbour, Reconstruction, autoencoder, measure, vae
from course_utils.manifold.tangent import Tangent, local_tangent, rank, share, split, tangent

__all__ = [
    "Closest",
    "Guarded",
    "Likelihood",
    "Neighbour",
    "Neighbours",
    "Reconstruction",
    "Tangent",
    "area",
    "autoencoder",
    "closest",
    "inverses",
    "local_pca",
    "local_tangent",
    "measure",
    "mle",
    "nearest",
    "rank",
    "roc",
    "share",
    "split",
    "tangent",
    "threshold",
    "two_nn",
    "vae",
]
