"""F1: what does a fresh LeNet-5 read of clean digits that has only seen digits changed by an attack, with wrong labels?

D_det of Ilyas et al. 2019: every image is changed towards the class y + 1, within a Euclidean distance at which the
attack nearly always succeeds, and labelled y + 1. A network that goes by what the eye sees learns to say y + 1, and is
right on no clean digit; one that goes by the change is right on those where the change carries what clean digits have.
Two controls stand beside it. The same labels without the attack give what the labels alone do, and targets drawn at
random (the paper's D_rand, but never the image's own class) what the change does where the eye's reading is of no use.

The critique: the change may leak robust cues of the target (Goh 2019, a row of its own, F1-leak: a linear classifier on
the features of a network that was trained to resist), or what the attacked network knows (Wallace 2019). The last is
not excluded here: the changes come from that network, and nothing tells its knowledge from the data's features. The
paper's data are photographs; Fashion-MNIST comes with no package of the course, and is left out.
"""

import torch
from torch import Tensor, nn

from course_utils import attacks, evaluation, models, training, zoo
from course_utils.data import Split
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import digits, network, seeds

NUMBER, EPS, STEPS, CLASSES = 4000, 3.5, 40, 10
EPOCHS = 40  # a little less than the steps of an ordinary training


def features(seed: int, generator: torch.Generator) -> dict:
    """Clean accuracy after D_det, and after the two controls; how often the attack succeeded."""
    chosen = drawn(generator)
    following = (chosen.labels + 1) % CLASSES
    others = (chosen.labels + torch.randint(1, CLASSES, chosen.labels.shape, generator=generator)) % CLASSES
    attacked, test, found = network("lenet5", seed), digits().test, {}
    det, rand = changed(attacked, chosen, following, generator), changed(attacked, chosen, others, generator)
    sets = {"value": det, "without the attack": Split(chosen.images, following), "D_rand": rand}
    for name, split in sets.items():
        found[name] = round(evaluation.accuracy(learner(split, generator), test), 4)
    return found | {"attack succeeded": round(evaluation.accuracy(attacked, det), 4)}


def leak(seed: int, generator: torch.Generator) -> dict:
    """Clean accuracy of a linear classifier of robust features after D_det, and after the clean images themselves."""
    chosen, resisting = drawn(generator), zoo.load("small-trades", device="cpu", progress=False)
    det = changed(network("lenet5", seed), chosen, (chosen.labels + 1) % CLASSES, generator)
    found = {"value": det, "with clean images": chosen}
    return {name: round(on_features(resisting[:-1], split, digits().test), 4) for name, split in found.items()}


def drawn(generator: torch.Generator) -> Split:
    """Training digits, drawn anew for each unit."""
    train = digits().train
    return train[torch.randperm(len(train), generator=generator)[:NUMBER]]


def changed(model: nn.Module, split: Split, targets: Tensor, generator: torch.Generator, eps: float = EPS) -> Split:
    """The images as far towards their targets as the distance allows, labelled with the targets."""
    model = model.to(memory_format=torch.channels_last)  # twice as fast
    how = dict(targets=targets, norm="l2", steps=STEPS, start="clean", early_exit=False)
    return Split(
        attacks.pgd(model, split.images, split.labels, eps, **how, generator=generator, progress=False), targets
    )


def learner(split: Split, generator: torch.Generator) -> nn.Module:
    """A fresh LeNet-5 that has learnt from the split."""
    with training.seeded(generator):
        model = models.LeNet5()
    training.fit(model, split, epochs=EPOCHS, lr=4e-3, generator=generator, progress=False)
    return model.eval()


def on_features(body: nn.Module, split: Split, test: Split) -> float:
    """The accuracy on the test split of softmax regression that learns from the body's outputs on the other."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known, asked = (torch.cat([evaluation.logits(body, part.images) for part in s.batches()]) for s in (split, test))
    regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return regression.fit(known.numpy(), split.labels.numpy()).score(asked.numpy(), test.labels.numpy())


STUDIES = (
    Study(RULES["F1"], seeds(10), features, again=seeds(5, 10)),
    Study(RULES["F1-leak"], seeds(10), leak, again=seeds(5, 10)),
)
