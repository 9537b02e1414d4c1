"""Genomes in a small file, and the stored thousand of ImageNet."""

import pytest
import safetensors.torch
import torch

from course_utils import evaluation, zoo
from course_utils.core import storage
from course_utils.fooling import CPPN
from course_utils.fooling.packing import IMAGENET, pack, unpack
from tests.fooling.small import grown, source, whole


@pytest.mark.parametrize("shape", [(1, 6, 9), (3, 6, 9)])
def test_what_is_unpacked_paints_the_same(shape, tmp_path):
    encoding = CPPN(shape, hidden=9)
    genomes = grown(encoding)
    genomes["linked"][:5] = False  # a node without any link paints what its function makes of 0
    file, history = tmp_path / "few.safetensors", torch.rand(3, 2, generator=source())
    pack(file, genomes, encoding, {"seed": 3, "recipe": ["a", 1.5]}, history=history)
    found = unpack(file)
    assert found.encoding == encoding and found.notes == {"seed": 3, "recipe": ["a", 1.5]}
    assert list(found.tables) == ["history"] and torch.equal(found.tables["history"], history)
    assert torch.equal(found.encoding.render(found.genomes), encoding.render(genomes))
    assert all(found.genomes[name].dtype == genomes[name].dtype for name in genomes)
    assert found.genomes["used"].sum() < genomes["used"].sum()  # what no output needs is gone
    for row in range(5, 15):
        assert found.encoding.graph(found.genomes, row) == encoding.graph(genomes, row)


def test_unpacked_genomes_can_evolve_on_and_in_float64(tmp_path):
    encoding = CPPN((3, 5, 5), hidden=6)
    genomes = grown(encoding)
    genomes["weights"] = genomes["weights"].double()
    pack(tmp_path / "a", genomes, encoding, {})
    found = unpack(tmp_path / "a").genomes
    assert found["weights"].dtype == torch.float64
    assert torch.equal(encoding.render(found), encoding.render(genomes))
    child = encoding.vary(found, torch.arange(60), generation=1, generator=source())
    assert whole(child, outputs=3)


def test_a_file_is_small(tmp_path):
    encoding = CPPN((3, 8, 8))
    genomes = grown(encoding, number=200)
    pack(tmp_path / "file", genomes, encoding, {})
    assert (tmp_path / "file").stat().st_size < 10 * genomes["linked"].sum() + 200 * genomes["used"].shape[1] + 1000


def test_a_bad_file_is_named(tmp_path):
    encoding, file = CPPN((1, 4, 4), hidden=3), tmp_path / "file"
    genomes = grown(encoding, number=4, times=3)
    with pytest.raises(FileNotFoundError):
        unpack(file)
    file.write_text("no tensors")
    with pytest.raises(ValueError, match="no packed genomes"):
        unpack(file)
    safetensors.torch.save_file({"weight": torch.ones(2)}, file)
    with pytest.raises(ValueError, match="no packed genomes"):
        unpack(file)
    pack(file, genomes, encoding, {})
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match="checksum"):
        unpack(file)
    wide = CPPN((1, 4, 4), hidden=300)
    with pytest.raises(ValueError, match="256 at most"):
        pack(file, wide.random(1, generator=source()), wide, {})


def test_the_stored_thousand_are_whole_and_small():
    assert IMAGENET.stat().st_size < 400_000
    found = unpack(IMAGENET)
    confidence, history = found.tables["confidence"], found.tables["history"]
    assert found.encoding == CPPN((3, 224, 224)) and len(found.genomes["used"]) == len(confidence) == 1000
    assert confidence.min() > 0 and confidence.max() <= 1
    assert (history.diff(dim=0) >= 0).all() and history[-1, 0] == found.notes["passes"]
    assert abs(confidence.median() - history[-1, 1]) < 0.03 and abs(confidence.mean() - history[-1, 2]) < 0.03
    images = found.encoding.render({name: genes[::50] for name, genes in found.genomes.items()}, size=(16, 16))
    assert images.shape == (20, 3, 16, 16) and images.flatten(1).std(1).median() > 0.02  # more than one colour


@pytest.mark.slow
def test_the_stored_thousand_score_what_they_scored():
    try:
        model = zoo.load("mobilenet_v2")
    except storage.Missing as error:
        pytest.skip(f"no weights here and no way to them: {error}")
    found = unpack(IMAGENET)
    rows = torch.arange(0, 1000, 40)
    images = found.encoding.render({name: genes[rows] for name, genes in found.genomes.items()})
    scores = evaluation.logits(model, images.mul(255).floor() / 255).softmax(1).cpu()
    error = (scores[torch.arange(25), rows] - found.tables["confidence"][rows]).abs()
    assert error.median() < 1e-3 and error.max() < 0.05
