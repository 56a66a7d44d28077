"""Settings, and the parts that a table is split into."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn.learning.training import FACTOR, LEARNING_RATE
from fastnn.train import Settings, settings_of
from fastnn.train.building import optimizer_of
from fastnn.train.splitting import gather, split

# Settings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "layers"), [("64-32", (64, 32)), ("7", (7,)), (7, (7,)), ([3, 2], (3, 2)), ("none", ()), ([], ())]
)
def test_layers_are_written_in_several_ways(given: Any, layers: tuple[int, ...]) -> None:
    assert Settings(layers=given).layers == layers


@pytest.mark.parametrize(
    ("given", "shares"),
    [("0.7/0.15/0.15", (0.7, 0.15, 0.15)), ("0.8/0.2", (0.8, 0.2, 0)), ([1, 0, 0], (1, 0, 0)), ((1, 0), (1, 0, 0))],
)
def test_a_split_is_written_in_several_ways(given: Any, shares: tuple[float, ...]) -> None:
    assert Settings(split=given).split == shares


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"layers": "64x32"}, "layers is '64x32'; expected hidden units such as 64-32"),
        ({"layers": [0]}, "a layer's units is 0"),
        ({"layers": 2.5}, "layers is 2.5"),
        ({"activation": "step"}, "activation is 'step'"),
        ({"loss": "perceptron"}, "loss is 'perceptron'"),
        ({"optimizer": "lion"}, "optimizer is 'lion'"),
        ({"schedule": "linear"}, "schedule is 'linear'"),
        ({"class_weight": "heavy"}, "class_weight is 'heavy'"),
        ({"metric": "auc"}, "metric is 'auc'"),
        ({"dtype": "float16"}, "dtype is float16"),
        ({"batch": 0}, "batch is 0"),
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": 1.5}, "epochs is 1.5"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**32}, "seed is 4294967296"),
        ({"patience": 0}, "patience is 0"),
        ({"label_smoothing": 2}, "label_smoothing is 2"),
        ({"standardise": 1}, "standardise is 1; expected true or false"),
        ({"flip": 1}, "flip is 1; expected true or false"),
        ({"model": "vgg"}, "model is 'vgg'; expected one of keras-convnet"),
        ({"shift": -1}, "shift is -1"),
        ({"shift": 1.5}, "shift is 1.5"),
        ({"split": "0.7/0.2"}, "shares that make 1"),
        ({"split": "0/0.5/0.5"}, "the first of them above 0"),
        ({"split": "much"}, "split is 'much'"),
        ({"split": [1]}, "expected shares of training, validation and test"),
        ({"dropout": 1.0}, "leaves nothing"),
        ({"decay_every": 0.0, "schedule": "step"}, "decay_every is 0"),
        ({"decay_every": -5.0, "schedule": "step"}, "decay_every is -5"),
        ({"decay": 0.0}, "decay is for the schedule step"),
        ({"dropout": -0.5}, "dropout is -0.5"),
        ({"momentum": 0.5}, "momentum is for the optimizers momentum and nesterov; adam has none"),
        ({"warmup": 2}, "warmup is for the schedule cosine; constant has none"),
        ({"decay": 0.5, "schedule": "cosine"}, "decay is for the schedule step"),
        ({"power": 1.0}, "power is for the schedule inverse_scaling"),
        ({"warmup": 30, "schedule": "cosine"}, "warmup is 30"),
        ({"patience": 3, "split": "1/0"}, "val_loss needs a part for validation"),
        ({"metric": "val_accuracy", "split": "1/0"}, "val_accuracy needs a part for validation"),
        ({"layers": (), "dropout": 0.5}, "dropout is of the hidden layers; layers is none"),
        ({"layers": "none", "activation": "tanh"}, "activation is of the hidden layers; layers is none"),
        ({"colour": "red"}, "colour is no setting; expected some of layers"),
    ],
)
def test_settings_that_cannot_be_are_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises((ValueError, TypeError), match=told):
        settings_of(given)


def test_what_is_not_given_has_its_default() -> None:
    assert settings_of({each.name: None for each in fields(Settings)}) == Settings()


def rates(settings: Settings, steps: int, count: int) -> list[float]:
    net = fastnn.mlp(1, 1, loss="mse", seed=0)
    trainer = net.trainer(optimizer_of(settings, steps), 1)
    found = []
    for _ in range(count):
        found.append(float(fastnn.learning.training.learning_rate(trainer.control)))
        trainer.apply()
    return found


def test_schedules_are_in_epochs() -> None:
    ten = Settings(epochs=10, learning_rate=1.0)
    assert rates(ten, 3, 2) == [1, 1]
    step = rates(replace(ten, schedule="step", decay_every=2, decay=0.5), 3, 13)
    assert step[5:7] == [1, 0.5]
    assert step[12] == 0.25
    cosine = rates(replace(ten, schedule="cosine", warmup=2.0), 3, 31)
    assert max(cosine) == cosine[6] == 1
    assert cosine[30] < 1e-9
    assert rates(replace(ten, schedule="inverse_scaling", power=1.0), 3, 4)[3] == 0.25
    assert rates(replace(ten, epochs=9, schedule="step"), 2, 7)[5:] == [1, pytest.approx(0.1)]


def test_an_optimizer_has_what_it_is_told_and_its_own_for_the_rest() -> None:
    assert optimizer_of(Settings(), 1).control()[LEARNING_RATE] == 0.001
    told = optimizer_of(
        Settings(optimizer="nesterov", learning_rate=0.5, momentum=0.7, weight_decay=0.1, clip_norm=2.0), 1
    )
    assert told == fastnn.Nesterov(0.5, momentum=0.7, weight_decay=0.1, clip_norm=2.0)
    assert told.control()[FACTOR] == 0.7


# Split ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("shares", [(0.7, 0.15, 0.15), (0.5, 0.5, 0.0), (1.0, 0.0, 0.0), (0.1, 0.0, 0.9)])
def test_each_part_has_its_share_of_each_class(shares: tuple[float, float, float], seed: int) -> None:
    y = np.random.default_rng(5).choice(3, 1000, p=[0.7, 0.25, 0.05])
    parts = split(y, 3, shares, seed)
    assert sorted(np.concatenate(parts)) == list(range(1000))
    for share, rows in zip(shares, parts, strict=True):
        assert (np.diff(rows) > 0).all()
        for label in range(3):
            assert abs(np.sum(y[rows] == label) - share * np.sum(y == label)) <= 1
    assert [rows.tolist() for rows in split(y, 3, shares, seed)] == [rows.tolist() for rows in parts]


def test_another_seed_draws_other_rows() -> None:
    y = np.zeros(100)
    assert split(y, 1, (0.5, 0.5, 0.0), 0)[0].tolist() != split(y, 1, (0.5, 0.5, 0.0), 1)[0].tolist()


def test_rare_classes_are_trained_on() -> None:
    y = np.array([0] * 96 + [1] * 2 + [2] * 2)
    assert set(y[split(y, 3, (0.2, 0.4, 0.4), 0)[0]]) == {0, 1, 2}


def test_a_part_without_a_row_is_refused() -> None:
    with pytest.raises(ValueError, match="3 rows are too few for a test part of 0.15"):
        split(np.arange(3.0), 1, (0.7, 0.15, 0.15), 0)


@pytest.mark.parametrize("rows", [10, 30_000])
def test_parts_are_moved_together_in_place(rows: int) -> None:
    array = np.arange(2 * rows).reshape(rows, 2)
    parts = split(np.zeros(rows), 1, (0.6, 0.2, 0.2), 0)
    views = gather(array, parts)
    for view, chosen in zip(views, parts, strict=True):
        np.testing.assert_array_equal(view[:, 0], 2 * chosen)
        assert view.base is not None
        assert np.shares_memory(view, array)
