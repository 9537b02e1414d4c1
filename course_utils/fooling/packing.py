"""Genomes in a small file: all that is needed to paint a thousand images again.

A population is padded with room for nodes that most genomes do not have. `pack` writes a list of the links that reach
an output, about 200 bytes a genome, and `unpack` makes the population again. Weights keep all their digits: a column
runs up to 223, so that two bytes for a weight of 9 would shift a stripe by a whole radian. The file is safetensors: it
holds numbers and notes, no code.
"""

import json
from pathlib import Path
from typing import NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from course_utils import data
from course_utils.core import storage
from course_utils.fooling._genomes import Genomes
from course_utils.fooling.cppn import CPPN, INPUTS, Plan

IMAGENET = data.FOLDER / "fooling" / "imagenet.safetensors"  # by tools/breed_imagenet.py
LINKS = ("genome", "target", "source", "weight")  # a column each; ``function`` has a row for each genome


class Packed(NamedTuple):
    """What `unpack` finds."""

    genomes: Genomes
    encoding: CPPN
    notes: dict
    tables: dict[str, Tensor]


def pack(file: str | Path, genomes: Genomes, encoding: CPPN, notes: dict, **tables: Tensor) -> None:
    """Write genomes of ``encoding`` to a ``.safetensors`` file, without nodes and links that no output needs.

    Args:
        notes: what else there is to know, such as recipe and seed: anything that JSON can hold.
        tables: further numbers to keep, such as a history.
    """
    width = genomes["used"].shape[1]
    if width > 256:
        raise ValueError(f"genomes with room for {width} nodes: 256 at most, a node's number is one byte")
    target, source, weight = Plan(genomes, encoding.shape[0]).links
    columns = (target // width).int(), (target % width).to(torch.uint8), (source % width).to(torch.uint8), weight
    tensors = dict(zip(LINKS, columns, strict=True)) | tables | {"function": genomes["function"]}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    about = {"shape": encoding.shape, "hidden": encoding.hidden, "notes": notes}
    texts = {"genomes": json.dumps(about), "sha256": storage.checksum(tensors)}
    storage.write_atomically(Path(file).expanduser(), safetensors.torch.save(tensors, metadata=texts))


def unpack(file: str | Path, device: torch.device | str = "cpu") -> Packed:
    """Read what `pack` wrote. A file that holds something else, or is damaged, is a ValueError."""
    try:
        with safetensors.safe_open(Path(file).expanduser(), "pt") as opened:
            texts, tables = opened.metadata(), {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        about, whole = json.loads(texts["genomes"]), storage.checksum(tables) == texts["sha256"]
    except (safetensors.SafetensorError, KeyError, TypeError) as error:
        raise ValueError(f"{file} holds no packed genomes") from error
    if not whole:
        raise ValueError(f"{file} is damaged: its checksum is wrong")
    tables = {name: table.to(device) for name, table in tables.items()}
    encoding, function = CPPN(tuple(about["shape"]), about["hidden"]), tables.pop("function")
    *ends, weight = (tables.pop(name) for name in LINKS)
    ends = tuple(end.long() for end in ends)
    weights = weight.new_zeros(*function.shape, function.shape[1]).index_put(ends, weight)
    linked = torch.zeros_like(weights, dtype=torch.bool)
    linked[ends] = True
    used = linked.any(1) | linked.any(2)
    used[:, : len(INPUTS) + encoding.shape[0]] = True
    genomes = {"weights": weights, "linked": linked, "function": function, "used": used}
    return Packed(genomes, encoding, about["notes"], tables)
