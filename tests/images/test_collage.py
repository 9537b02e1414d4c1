import itertools

import pytest
import torch

from course_utils.images import collage

IMAGES = torch.rand(3, 2, 12, 18, generator=torch.Generator().manual_seed(0))


def cut(image, parts):
    """The patches of one image, row by row: a plain twin of what `collage.shuffle` cuts."""
    high, wide = image.shape[1] // parts, image.shape[2] // parts
    return [
        image[:, row * high : (row + 1) * high, column * wide : (column + 1) * wide]
        for row, column in itertools.product(range(parts), repeat=2)
    ]


def order(before, after, parts):
    """For each place after the shuffle, the place where its patch was before; None if that is no permutation."""
    patches = cut(before, parts)
    found = [[k for k, old in enumerate(patches) if torch.equal(old, new)] for new in cut(after, parts)]
    return tuple(k for [k] in found) if all(len(places) == 1 for places in found) else None


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_shuffle_moves_patches_and_changes_none(parts):
    orders = [order(a, b, parts) for a, b in zip(IMAGES, collage.shuffle(IMAGES, parts), strict=True)]
    assert all(sorted(found) == list(range(parts**2)) for found in orders)
    assert len(set(orders)) > 1 and tuple(range(parts**2)) not in orders


def test_what_does_not_divide_stays():
    shuffled = collage.shuffle(IMAGES, 5)  # patches of 2 x 3 pixels in 12 x 18
    assert torch.equal(shuffled[:, :, 10:], IMAGES[:, :, 10:])
    assert torch.equal(shuffled[:, :, :, 15:], IMAGES[:, :, :, 15:])
    assert not torch.equal(shuffled, IMAGES)


def test_all_orders_but_the_true_one_are_equally_likely():
    image = torch.arange(4.0).view(1, 1, 2, 2) / 4
    shuffled = collage.shuffle(image.expand(4600, 1, 2, 2), 2).flatten(1)
    _, counts = shuffled.unique(dim=0, return_counts=True)
    assert len(counts) == 23 and not (shuffled == image.flatten()).all(1).any()
    assert ((counts - 200).square() / 200).sum() < 49  # chi square with 22 degrees of freedom: 1 in 1,000


def test_one_part_is_the_image_and_single_pixels_are_parts():
    assert torch.equal(collage.shuffle(IMAGES, 1), IMAGES)
    pixels = collage.shuffle(IMAGES[..., :12], 12)
    assert torch.equal(pixels.flatten(2).sort().values[:, 0], IMAGES[:, 0, :, :12].flatten(1).sort().values)


def test_chance_comes_from_the_generator_alone():
    state = torch.get_rng_state()
    first, second = collage.shuffle(IMAGES, 3), collage.shuffle(IMAGES, 3)
    other = collage.shuffle(IMAGES, 3, generator=torch.Generator().manual_seed(1))
    assert torch.equal(first, second) and not torch.equal(first, other)
    assert torch.equal(collage.places(2, 3), collage.places(2, 3))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
def test_mirror_turns_every_other_patch_in_its_place(parts):
    mirrored = collage.mirror(IMAGES, parts)
    for before, after in zip(IMAGES, mirrored, strict=True):
        for k, (old, new) in enumerate(zip(cut(before, parts), cut(after, parts), strict=True)):
            assert torch.equal(new, old.flip(2) if (k // parts + k % parts) % 2 else old)
    assert torch.equal(collage.mirror(mirrored, parts), IMAGES)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_flow_to_images_backgrounds_and_elements(dtype):
    images = IMAGES.to(dtype, copy=True).requires_grad_()
    collage.shuffle(images, 3).sum().backward()
    assert torch.equal(images.grad, torch.ones_like(images)) and images.grad.dtype == dtype
    element = torch.full((1, 3, 4, 4), 0.5, dtype=dtype, requires_grad=True)
    ways = (
        lambda background: collage.paste(background, element, (1, 2), 6),
        lambda background: collage.repeat(background, element, collage.places(3, 3) < 4),
    )
    for way in ways:
        images.grad = element.grad = None
        pasted = way(images)
        pasted.sum().backward()
        assert pasted.dtype == dtype and element.grad.abs().amin() > 0
        assert images.grad.amin() == 0.5 and images.grad.amax() == 1  # half hidden, and free


def test_paste_mixes_by_alpha():
    element = torch.tensor([0.2, 0.6, 0.0]).view(1, 3, 1, 1).repeat(1, 1, 2, 3)
    element[:, -1, :, 1] = 1
    element[:, -1, :, 2] = 0.25
    pasted = collage.paste(IMAGES, element, (4, 5), 3)
    expected = IMAGES.clone()
    colours = element[:, :2]
    expected[:, :, 4:6, 6:7] = colours[..., 1:2]
    expected[:, :, 4:6, 7:8] = 0.25 * colours[..., 2:3] + 0.75 * IMAGES[:, :, 4:6, 7:8]
    assert torch.allclose(pasted, expected) and torch.equal(pasted[:, :, 4:6, 5], IMAGES[:, :, 4:6, 5])


def test_each_image_may_have_its_own_corner_and_element():
    corners = torch.tensor([[0, 0], [8, 14], [3, 7]])
    elements = torch.ones(3, 3, 4, 4) * torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1)
    elements[:, -1] = 1
    together = collage.paste(IMAGES, elements, corners, 4)
    for k, corner in enumerate(corners.tolist()):
        alone = collage.paste(IMAGES[k : k + 1], elements[k : k + 1], corner, 4)
        assert torch.equal(together[k : k + 1], alone)
        top, left = corner
        assert (alone[0, :, top : top + 4, left : left + 4] == k / 2).all()


def test_what_an_element_was_cut_from_does_not_seep_in():
    element = torch.zeros(1, 2, 16, 16)
    element[:, 0] = 1  # white all over, but cut out is a black square
    element[:, 0, 4:12, 4:12] = 0
    element[:, 1, 4:12, 4:12] = 1
    for side in (5, 11, 24):
        assert collage.paste(torch.zeros(1, 1, 24, 24), element, (0, 0), side).amax() < 1e-6


def test_places_are_orders_of_the_cells():
    ranks = collage.places(5, 3)
    assert torch.equal(ranks.flatten(1).sort().values, torch.arange(9).expand(5, 9))
    assert len({tuple(row) for row in ranks.flatten(1).tolist()}) == 5


def test_fewer_copies_are_the_same_picture_less_some():
    background, element = torch.zeros(1, 1, 30, 30), torch.ones(1, 2, 10, 10)
    ranks = collage.places(1, 3)
    pictures = collage.repeat(background, element, ranks < torch.arange(10)[:, None, None])
    assert torch.equal(pictures.sum((1, 2, 3)), 100.0 * torch.arange(10))
    assert (pictures.diff(dim=0) >= 0).all()


def test_a_copy_fills_its_cell_keeps_its_shape_and_stands_in_the_middle():
    background = torch.zeros(1, 1, 23, 32)  # cells of 11 x 16 pixels
    cells = torch.tensor([[[False, True], [False, False]]])
    tall, broad = (collage.repeat(background, torch.ones(1, 2, *size), cells)[0, 0] for size in ((22, 8), (4, 16)))
    assert tall.nonzero().amin(0).tolist() == [0, 22] and tall.nonzero().amax(0).tolist() == [10, 25]
    assert broad.nonzero().amin(0).tolist() == [3, 16] and broad.nonzero().amax(0).tolist() == [6, 31]
    assert (
        collage.repeat(background, torch.ones(1, 2, 9, 9), torch.ones(1, 2, 2, dtype=torch.bool))[0, 0, 22].sum() == 0
    )


def test_a_full_grid_is_a_tiling_and_an_empty_one_the_background():
    element = torch.cat([IMAGES[:, :, :6, :6], torch.ones(3, 1, 6, 6)], 1)
    full = torch.ones(3, 3, 3, dtype=torch.bool)
    backgrounds = torch.rand(3, 2, 18, 18, generator=torch.Generator().manual_seed(1))
    assert torch.equal(collage.repeat(backgrounds, element, full), element[:, :2].repeat(1, 1, 3, 3))
    assert torch.equal(collage.repeat(backgrounds, element, ~full), backgrounds)


ELEMENT = torch.ones(1, 3, 4, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: collage.shuffle(IMAGES, 13), "parts=13: images of 12 x 18 pixels have at most 12 a side"),
        (lambda: collage.mirror(IMAGES, 13), "parts=13: images of 12 x 18 pixels have at most 12 a side"),
        (lambda: collage.shuffle(IMAGES, 0), "parts=0: want a whole number"),
        (lambda: collage.shuffle(IMAGES[0], 2), "write image\\[None\\]"),
        (lambda: collage.paste(IMAGES, IMAGES, (0, 0), 4), "want \\(1, 3, h, w\\), the last one alpha"),
        (lambda: collage.paste(IMAGES, ELEMENT.expand(2, -1, -1, -1), (0, 0), 4), "2 elements for 3 images"),
        (lambda: collage.paste(IMAGES, ELEMENT, (9, 0), 4), "sticks out.*rows run from 0 to 8, columns from 0 to 14"),
        (lambda: collage.paste(IMAGES, ELEMENT, (0, 0), 20), "sticks out"),
        (lambda: collage.paste(IMAGES, ELEMENT, (-1, 0), 4), "sticks out"),
        (lambda: collage.paste(IMAGES, ELEMENT, (0.5, 0), 4), "whole numbers"),
        (lambda: collage.paste(IMAGES, ELEMENT, torch.zeros(2, 2, dtype=torch.int64), 4), "one such pair an image"),
        (lambda: collage.paste(IMAGES, 2 * ELEMENT, (0, 0), 4), "pixels run from 2 to 2"),
        (lambda: collage.repeat(IMAGES, ELEMENT, collage.places(3, 3)), "cells are torch.int64.*places"),
        (lambda: collage.repeat(IMAGES, ELEMENT, torch.ones(3, 2, 3) > 0), "want bool \\(N, grid, grid\\)"),
        (lambda: collage.repeat(IMAGES, ELEMENT, 4), "cells are int"),
        (lambda: collage.repeat(IMAGES, ELEMENT, collage.places(2, 3) < 4), "3 backgrounds.*do not go with cells"),
        (lambda: collage.repeat(IMAGES, ELEMENT, collage.places(3, 13) < 4), "do not go with cells"),
        (lambda: collage.places(1, 0), "grid=0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        call()
