"""What people did, as others published it: numbers beside claims that only answers of people can decide.

The rows C1, S5 and C5 are judged over persons, and answers by person come with no package of the course. So they are
"not measured", and these are shares and means as they were reported. A mark says how far each can be trusted: P read in
the paper, or in its authors' data; S in a later text; M recalled. The learner's own answers are rows of their own.
"""

from typing import NamedTuple

from course_utils.figures import Table

ZHOU = "Zhou and Firestone 2019"


class Reported(NamedTuple):
    """One published number, in per cent, of what, by whom, and its mark."""

    what: str
    percent: float
    source: str
    mark: str


PUBLISHED = {
    "C1": (
        Reported("answers for the network's first label against its second, 48 CPPN images", 60.6, ZHOU, "S"),
        Reported("people above chance there", 91, ZHOU, "S"),
        Reported("images above chance there", 71, ZHOU, "S"),
        Reported("people above chance, first label against one drawn at random", 98, ZHOU, "S"),
        Reported("of these, people whose 95 % interval is above chance", 81, ZHOU, "S"),
        Reported("people above chance, 48 labels to choose from", 88, ZHOU, "S"),
        Reported("people above chance, 8 images of white noise", 81, ZHOU, "S"),
        Reported("people above chance, fooling digits (most answers were '8')", 89, ZHOU, "S"),
        Reported("answers for the network's label, perturbed 3-D objects", 58.9, ZHOU, "S"),
    ),
    "S5": (
        Reported(
            "RMS distortion, of the range of a pixel, of the changes to AlexNet's photographs",
            0.65,
            "Szegedy 2013",
            "S",
        ),
        Reported(
            "largest change of a pixel that biases people who look as long as they like",
            0.8,
            "Journal of Vision, abstract",
            "P",
        ),
        Reported(
            "points that people's accuracy fell by, changes of 32 of 256 shown for 70 ms", 10, "Elsayed 2018", "S"
        ),
    ),
    "C5": (
        Reported("error of one trained person, ImageNet, five guesses", 5.1, "Karpathy 2014", "S"),
        Reported("error of GoogLeNet there, 2014", 6.66, "Szegedy et al. 2015", "S"),
        Reported("error of four Inception-v3 there, December 2015", 3.46, "Szegedy et al. 2015", "S"),
        Reported("error of people, digits of USPS", 2.37, "Human Performance on the USPS Database, abstract", "P"),
        Reported("error of people, MNIST", 0.2, "quoted without a study", "M"),
        Reported("error of LeNet-5, MNIST, plain digits", 0.95, "LeCun et al. 1998", "P"),
        Reported("people right on patches of texture", 90.0, "Geirhos et al. 2019", "P"),
        Reported("networks right on patches of texture", 100, "Geirhos et al. 2019", "P"),
    ),
}


def published(claim: str) -> Table:
    """What was published on a claim, as a table.

    >>> published("C5").headers
    ['what', '%', 'by', 'mark']
    """
    return Table(["what", "%", "by", "mark"], PUBLISHED[claim])
