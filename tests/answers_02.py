"""Answers for the exercises of lesson 02: RIGHT in another way, and wrong in ways that no list foresees."""

import torch


def _recursive(works, low, high, steps):
    if steps == 0:
        return low
    middle = 10 ** ((torch.tensor(low).double().log10() + torch.tensor(high).double().log10()) / 2).item()
    ends = (middle, high) if works(middle) else (low, middle)
    return _recursive(works, *ends, steps - 1)


def _count_by_hand(change, share=0.9):
    energies = sorted(change.flatten().square().tolist(), reverse=True)
    total, held = sum(energies), 0.0
    for count, energy in enumerate(energies, 1):
        held += energy
        if held >= share * total:
            return count


def _bound_by_matrix(weight, size):
    """The circular convolution written out, one column for each pixel of the torus."""
    edge, columns = weight.shape[-1] - 1, []
    for unit in torch.eye(weight.shape[1] * size * size):
        image = unit.view(1, weight.shape[1], size, size)
        wrapped = torch.nn.functional.pad(image, (0, edge, 0, edge), mode="circular")
        columns.append(torch.nn.functional.conv2d(wrapped, weight).flatten())
    return torch.linalg.matrix_norm(torch.stack(columns, 1), 2).item()


def _purity_by_loop(features, labels, directions, k=8):
    scores = []
    for direction in directions:
        top = labels[(features @ direction).argsort(descending=True)[:k]]
        scores.append(top.bincount().max() / k)
    return torch.stack(scores)


RIGHT = {
    "2.1": lambda a, b: torch.tensor([((p - q) ** 2).mean().item() ** 0.5 for p, q in zip(a, b, strict=True)]),
    "2.2": lambda model, x, r, target, c: c * torch.linalg.vector_norm(r) ** 2 - model(x + r).log_softmax(1)[0, target],
    "2.3": _recursive,
    "2.4": _count_by_hand,
    "2.5": _bound_by_matrix,
    "2.6": _purity_by_loop,
}


UNFORESEEN = {
    "2.1": (lambda a, b: (b - a).flatten(1).abs().median(1).values, "the values are not"),
    "2.2": (lambda model, x, r, target, c: c * r.square().sum() - model(x + r).softmax(1)[0, target], "the value of F"),
    "2.3": (lambda works, low, high, steps: high - low, "what it returns where every c up to 0.013 works"),
    "2.4": (lambda change, share=0.9: 5, "the number for a change that is spread out: got 5"),
    "2.5": (lambda weight, size: 3.0, "3 maps in and 4 out: got 3, expected"),
    "2.6": (lambda features, labels, directions, k=8: torch.zeros(8), "the values are not"),
}
