"""Images that are mirrored and moved, and rows that are made of bytes when a step needs them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fastnn.samples import Augmentation, Rows, scaling_of
from fastnn.tables import Scaling

FLOAT32 = np.dtype(np.float32)


def images(rows: int = 64, shape: tuple[int, ...] = (7, 9, 3)) -> np.ndarray:
    """No pixel is 0, so that a border can be told from an image."""
    return np.random.default_rng(0).integers(1, 256, (rows, *shape), np.uint8)


def moved(image: np.ndarray, mirrors: bool, down: int, right: int) -> np.ndarray:
    """Pixel by pixel."""
    out = np.zeros_like(image)
    height, width, _ = image.shape
    for row, column in itertools.product(range(height), range(width)):
        if 0 <= row - down < height and 0 <= column - right < width:
            from_column = column - right
            out[row, column] = image[row - down, width - 1 - from_column if mirrors else from_column]
    return out


@pytest.mark.parametrize(("flip", "shift"), [(True, 0), (False, 2), (True, 2)])
def test_an_image_is_mirrored_and_moved_and_what_comes_in_is_black(flip: bool, shift: int) -> None:
    x = images(200)
    found = Augmentation(flip, shift, seed=5).of_steps(x, 0, 32)
    reach = range(-shift, shift + 1)
    seen = []
    for image, out in zip(x, found, strict=True):
        (way,) = [way for way in itertools.product({False, flip}, reach, reach) if (moved(image, *way) == out).all()]
        seen.append(way)
    assert {down for _, down, _ in seen} == {right for _, _, right in seen} == set(reach)
    mirrored = sum(mirrors for mirrors, _, _ in seen)
    assert 70 < mirrored < 130 if flip else mirrored == 0
    assert (x == images(200)).all()  # what is kept stays


def test_an_image_of_a_step_is_the_same_in_whatever_parts_it_comes() -> None:
    x, augmentation = images(50), Augmentation(True, 3, seed=1)
    whole = augmentation.of_steps(x, 7, 8)
    parts = [augmentation.of_steps(x[:16], 7, 8), augmentation.of_steps(x[16:], 9, 8)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    for other in (augmentation.of_steps(x, 8, 8), Augmentation(True, 3, seed=2).of_steps(x, 7, 8)):
        assert (other != whole).any()


def test_steps_draw_apart_from_each_other() -> None:
    x = np.repeat(images(1), 400, axis=0)
    found = Augmentation(False, 3, seed=0).of_steps(x, 0, 1)
    assert len({out.tobytes() for out in found}) == 49


def test_bytes_become_0_to_1_and_numbers_stay() -> None:
    x = images()
    np.testing.assert_array_equal(
        Rows(x, Scaling.none(3), FLOAT32)[2:5], x[2:5].reshape(3, -1).astype(np.float32) / np.float32(255)
    )
    numbers = np.random.default_rng(1).normal(size=(6, 4, 4, 1)).astype(np.float32)
    rows = Rows(numbers, Scaling.none(1), FLOAT32)
    np.testing.assert_array_equal(rows[:], numbers.reshape(6, -1))
    assert rows.shape == (6, 16)
    rows[:][:] = 0
    assert numbers.all()


@pytest.mark.parametrize("as_bytes", [True, False])
def test_channels_are_standardised_where_that_is_asked_for(as_bytes: bool) -> None:
    x = images(300) if as_bytes else np.random.default_rng(1).normal(5, 3, (300, 4, 2)).astype(np.float32)
    x[..., 1] = 77  # constant
    made = Rows(x, scaling_of(x), FLOAT32)[:].reshape(x.shape).astype(np.float64)
    axes = tuple(range(x.ndim - 1))
    np.testing.assert_allclose(made.mean(axis=axes), 0, atol=1e-5)
    np.testing.assert_allclose(made.std(axis=axes)[[0, *range(2, x.shape[-1])]], 1, rtol=1e-4)
    np.testing.assert_allclose(made[..., 1], 0, atol=1e-6)


def test_rows_are_augmented_for_steps_alone() -> None:
    x, augmentation = images(), Augmentation(True, 2, seed=3)
    rows, order = Rows(x, Scaling.none(3), FLOAT32, augmentation), np.random.default_rng(0).permutation(64)[:20]
    np.testing.assert_array_equal(rows[:], Rows(x, Scaling.none(3), FLOAT32)[:])
    expected = augmentation.of_steps(x[order], 4, 8).reshape(20, -1) / np.float32(255)
    np.testing.assert_array_equal(rows.for_steps(order, 4, 8), expected)
