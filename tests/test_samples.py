"""Images and sequences as people have them: folders and arrays, read or refused."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest

from fastnn import samples
from fastnn.samples import IMAGES, Form, Samples, place_of, read, read_as, scaling_of
from fastnn.tables import DataError

Image = needs.package("PIL.Image")


def draw(file: Path, pixels: np.ndarray, **options: Any) -> np.ndarray:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file, **options)
    return pixels


def pixels(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three grey images of each of two classes."""
    for at, name in enumerate(
        ["tree/b.png", "tree/a.png", "tree/more/c.png", "bird/x.png", "bird/y.png", "bird/z.png"]
    ):
        draw(tmp_path / "set" / name, pixels(6, 5, seed=at))
    return tmp_path / "set"


# Folders --------------------------------------------------------------------------------------------------------------


def test_a_folder_is_a_class_and_pixels_are_those_of_its_files(folder: Path) -> None:
    found = read(folder)
    assert found.target.classes == ("bird", "tree")
    assert found.form == Form("images", (6, 5, 1), unit=True)
    assert found.y.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.x.dtype == np.uint8  # nothing larger is kept
    for at, seed in enumerate([3, 4, 5, 1, 0, 2]):  # in the order of names
        np.testing.assert_array_equal(found.x[at, ..., 0], pixels(6, 5, seed=seed))
    assert "scaled to 0..1" in found.told


def test_one_file_of_colours_makes_all_of_three_channels(folder: Path) -> None:
    colours = draw(folder / "bird" / "z.png", pixels(6, 5, 3, seed=9))
    found = read(folder)
    assert found.form.shape == (6, 5, 3)
    np.testing.assert_array_equal(found.x[2], colours)
    np.testing.assert_array_equal(found.x[0], np.repeat(pixels(6, 5, seed=3)[..., None], 3, axis=2))


def test_jpegs_are_read_and_turned_as_their_exif_says(folder: Path) -> None:
    smooth = np.add.outer(np.arange(6) * 30, np.arange(5) * 10).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # the first row is the right side
    draw(folder / "bird" / "x.jpg", np.rot90(smooth).copy(), exif=exif, quality=100)
    found = read(folder)
    assert found.form.shape == (6, 5, 1)
    assert np.abs(found.x[0, ..., 0].astype(int) - smooth).max() <= 4


def test_transparency_is_left_out(folder: Path) -> None:
    drawn = draw(folder / "bird" / "x.png", pixels(6, 5, 4))
    np.testing.assert_array_equal(read(folder).x[0], drawn[..., :3])


def test_two_sizes_are_refused_by_two_files_unless_all_are_resized(folder: Path) -> None:
    large = draw(folder / "tree" / "b.png", pixels(40, 31))
    with pytest.raises(DataError, match=r"bird/x.png 6x5, .*tree/b.png 40x31, .*\(image-size\), such as 6x5"):
        read(folder)
    found = read(folder, size=(12, 8))
    assert found.form == Form("images", (12, 8, 1), resizes=True, unit=True)
    expected = Image.fromarray(large).resize((8, 12), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(found.x[4, ..., 0], np.asarray(expected))
    assert "resized" in found.told


def test_files_that_are_no_images_are_named(folder: Path) -> None:
    (folder / "tree" / "notes.txt").write_text("none")
    (folder / "bird" / "w.png").write_bytes((folder / "bird" / "x.png").read_bytes()[:10])
    with pytest.raises(DataError, match=r"bird/w.png \(no image\), .*tree/notes.txt \(no image\); expected PNG, JPEG"):
        read(folder)


def test_a_file_that_breaks_off_is_named(folder: Path) -> None:
    whole = (folder / "bird" / "y.png").read_bytes()
    (folder / "bird" / "y.png").write_bytes(whole[:-30])
    with pytest.raises(DataError, match="bird/y.png cannot be read"):
        read(folder)


def test_more_than_a_byte_a_pixel_is_refused(folder: Path) -> None:
    draw(folder / "tree" / "a.png", pixels(6, 5).astype(np.uint16) * 200)
    with pytest.raises(DataError, match=r"tree/a.png \(I;16, more than a byte a number\)"):
        read(folder)


def test_what_systems_leave_in_folders_is_no_image(folder: Path) -> None:
    for name in (".DS_Store", "tree/.DS_Store", "bird/Thumbs.db", ".git/config"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("")
    assert len(read(folder)) == 6


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ([], "is empty; expected a folder a class"),
        (["a.png", "b/c.png"], "holds a.png; expected a folder a class"),
        (["a/1.png", "a/2.png"], "holds one class only, 'a'"),
        (["a/1.png", "a/2.png", "b/1.png"], "/b holds one image; expected two"),
        (["train/a/1.png", "val/a/1.png"], r"holds train, val, parts and no classes; .*such as .*/train.*\(split\)"),
    ],
)
def test_folders_that_hold_no_classes_are_refused(files: list[str], told: str, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for name in files:
        draw(tmp_path / "set" / name, pixels(3, 3))
    with pytest.raises(DataError, match=told):
        read(tmp_path / "set")


def test_a_class_without_images_is_refused(folder: Path) -> None:
    (folder / "cat").mkdir()
    with pytest.raises(DataError, match="cat holds no image"):
        read(folder)


def test_without_pillow_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples.pictures, "find_spec", lambda name: None if name == "PIL" else find_spec(name))
    with pytest.raises(ModuleNotFoundError, match=r"images are read by Pillow: pip install 'fastnn\[images\]'"):
        read(folder)


def test_a_trained_model_reads_as_it_was_trained(folder: Path) -> None:
    trained = read(folder)
    x, y = read_as(folder, trained.form, trained.target)
    np.testing.assert_array_equal(x, trained.x)
    np.testing.assert_array_equal(y, trained.y)
    colours = draw(folder / "bird" / "z.png", pixels(6, 5, 3, seed=9))
    x, _ = read_as(folder, trained.form, trained.target)
    np.testing.assert_array_equal(x[2, ..., 0], np.asarray(Image.fromarray(colours).convert("L")))
    draw(folder / "cat" / "1.png", pixels(6, 5))
    with pytest.raises(DataError, match="cat: none of the model's classes, bird, tree"):
        read_as(folder, trained.form, trained.target)


def test_an_image_of_another_size_is_refused_unless_training_resized(folder: Path) -> None:
    trained, resized = read(folder), read(folder, size=(9, 9))
    draw(folder / "tree" / "b.png", pixels(40, 31))
    with pytest.raises(DataError, match="tree/b.png is 40x31, and the model takes images of 6x5, grey"):
        read_as(folder, trained.form, trained.target)
    x, _ = read_as(folder, resized.form, resized.target)
    assert x.shape == (6, 9, 9, 1)


# Arrays ---------------------------------------------------------------------------------------------------------------


def arrays(folder: Path, x: np.ndarray, y: Any = None, **more: Any) -> Any:
    """Opened."""
    np.savez(folder / "t.npz", x=x, y=np.arange(len(x)) % 2 if y is None else y, **more)
    return place_of(str(folder / "t.npz"))


@pytest.mark.parametrize(
    ("shape", "axes", "expected"),
    [
        ((4, 6, 5), None, (6, 5, 1)), ((4, 6, 5, 3), None, (6, 5, 3)), ((4, 3, 6, 5), None, (6, 5, 3)),
        ((4, 1, 6, 5), None, (6, 5, 1)), ((4, 6, 5, 2), "NHWC", (6, 5, 2)), ((4, 3, 6, 3), "NCHW", (6, 3, 3)),
        ((4, 3, 6, 3), "NHWC", (3, 6, 3)),
    ],
)  # fmt: skip
def test_axes_of_images_are_found_or_told(
    shape: tuple[int, ...], axes: str | None, expected: tuple[int, ...], tmp_path: Path
) -> None:
    given = pixels(*shape)
    found = read(arrays(tmp_path, given), axes=axes)
    assert found.form == Form("images", expected, unit=True)
    first = axes == "NCHW" or (axes is None and shape[1] in (1, 3))
    np.testing.assert_array_equal(found.x, (given.transpose(0, 2, 3, 1) if first else given).reshape(found.x.shape))
    assert f"x ({', '.join('NCHW' if first else 'NHWC' if len(shape) == 4 else 'NHW')})" in found.told


@pytest.mark.parametrize(
    ("x", "options", "told"),
    [
        (
            pixels(4, 3, 6, 3),
            {},
            r"x has shape \(4, 3, 6, 3\); channels may be the second or the last \(axes NHWC or N",
        ),
        (pixels(4, 6, 6, 6), {}, "channels may be the second or the last"),
        (np.ones((4, 6, 5)), {}, r"grey images or sequences \(axes NHW or NTF\), or rows of numbers \(model mlp\)"),
        (np.ones((4, 6)), {"kind": "images"}, r"x has shape \(4, 6\); expected images \(N, H, W\)"),
        (np.ones((4, 6, 5)), {"axes": "NHWC"}, r"x has shape \(4, 6, 5\); expected 4 axes, \(N, H, W, C\)"),
        (
            np.ones((4, 6, 5)),
            {"axes": "NTF", "kind": "images"},
            "axes are NTF, of sequences, and the model takes images",
        ),
        (np.ones((4, 6, 5)), {"kind": "images", "size": (3, 3)}, "images of files alone are resized"),
        (np.full((4, 6, 5), [1, 2, 3, 4, np.inf]), {"axes": "NTF"}, "t.npz, row 1: x holds what is no finite number"),
    ],
)
def test_arrays_that_may_be_two_things_or_none_are_refused(
    x: np.ndarray, options: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=told):
        read(arrays(tmp_path, x), **options)


def test_whole_numbers_of_a_byte_are_kept_as_bytes_and_others_as_they_are(tmp_path: Path) -> None:
    given = pixels(4, 6, 5)
    assert read(arrays(tmp_path, given.astype(np.int64))).x.dtype == np.uint8
    large = read(arrays(tmp_path, given.astype(np.int64) * 3))
    np.testing.assert_array_equal(large.x[..., 0], given.astype(np.float32) * 3)
    assert "as they are" in large.told
    assert not large.form.unit
    scaled = read(arrays(tmp_path, given / 255), kind="images")
    assert (scaled.x.dtype, scaled.form.unit) == (np.float32, True)


def test_labels_are_as_those_of_tables(tmp_path: Path) -> None:
    x = pixels(4, 6, 5)
    named = read(arrays(tmp_path, x, np.array(["b", "a", "a", "b"])))
    assert (named.target.classes, named.y.tolist()) == (("a", "b"), [1, 0, 0, 1])
    numbers = read(arrays(tmp_path, x, np.array([0.5, 1, 2, 3])))
    assert (numbers.target.classes, numbers.y.tolist()) == (None, [0.5, 1, 2, 3])
    np.savez(tmp_path / "x.npz", x=x)
    with pytest.raises(DataError, match=r"x.npz holds x and no y"):
        read(place_of(str(tmp_path / "x.npz")))
    with pytest.raises(DataError, match="holds one class only"):
        read(arrays(tmp_path, x, np.zeros(4, int)))


def test_values_of_another_range_than_in_training_are_refused(tmp_path: Path) -> None:
    """A model of bytes takes 0 to 1; 0 to 255 in float would be 255 times too much."""
    trained = read(arrays(tmp_path, pixels(4, 6, 5)))
    wrong = arrays(tmp_path, pixels(4, 6, 5).astype(np.float32))
    with pytest.raises(DataError, match=r"values from 0 to 255|values from"):
        read_as(wrong, trained.form, trained.target)
    right, _ = read_as(arrays(tmp_path, pixels(4, 6, 5) / 255), trained.form, trained.target)
    assert right.max() <= 1
    numbers: Samples = read(arrays(tmp_path, np.random.default_rng(0).normal(size=(4, 6, 5))), kind="images")
    with pytest.raises(DataError, match="holds bytes; the model was trained on values of another range"):
        read_as(arrays(tmp_path, pixels(4, 6, 5)), numbers.form, numbers.target)
    with pytest.raises(DataError, match="holds images of 5x5, grey; the model takes images of 6x5, grey"):
        read_as(arrays(tmp_path, pixels(4, 5, 5)), trained.form, trained.target)


def test_whole_numbers_of_0_and_1_are_values_and_those_of_a_wide_model_no_bytes(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 2, (4, 5, 5))
    whole = read(arrays(tmp_path, x, [0, 1, 0, 1]), axes="NHW")
    assert whole.x.dtype == np.float32
    assert whole.x.max() == 1
    form, target = Form(IMAGES, (5, 5, 1), unit=True), whole.target
    taken, _ = read_as(arrays(tmp_path, x, [0, 1, 0, 1]), form, target)
    assert (taken == whole.x).all()
    dark = (x * 200).astype(np.uint16)
    wide, _ = read_as(arrays(tmp_path, dark, [0, 1, 0, 1]), Form(IMAGES, (5, 5, 1)), target)
    assert wide.dtype == np.float32
    assert wide.max() == 200


def test_a_deviation_of_one_byte_is_none_of_a_constant() -> None:
    x = np.array([0, 2] * 8, np.uint8).reshape(4, 2, 2, 1)
    assert scaling_of(x).scales == pytest.approx(1 / 255)
    assert scaling_of(np.full((4, 2, 2, 1), 7, np.uint8)).scales == 1
