"""What is trained is what a plain loop trains; scores; models on disk."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from train_tables import INPUTS, QUICK, ROWS, table_of, train

import fastnn
from fastnn import FileError, NonFiniteLoss
from fastnn.learning.early_stopping import BestEpoch
from fastnn.tables import Column, Scaling, Target, open_source, read
from fastnn.train import Checkpoint, Model, Settings, Training, confusion, run, scores
from fastnn.train.building import layers_of, optimizer_of
from fastnn.train.command import training
from fastnn.train.splitting import split

# Training -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"schedule": "cosine", "warmup": 1.0, "clip_norm": 0.5},
        {"span": 8},
        {"label_smoothing": 0.1, "class_weight": "balanced"},
        {"split": (1.0, 0.0, 0.0)},
        {"standardise": False, "layers": ()},
        {"optimizer": "momentum", "dtype": "float32"},
    ],
)
def test_a_run_is_that_of_a_plain_loop(more: dict[str, Any]) -> None:
    settings = replace(QUICK, **more)
    table, twin = table_of(), table_of()
    outcome = train(table, settings)
    rows = split(twin.y, 3, settings.split, settings.seed)
    x = twin.x.astype(settings.dtype)
    if settings.standardise is not False:
        x = ((x - x[rows[0]].mean(axis=0)) / x[rows[0]].std(axis=0)).astype(settings.dtype)
    y = twin.y[rows[0]]
    weight = tuple(len(y) / (3 * np.bincount(y))) if settings.class_weight == "balanced" else None
    loss = fastnn.CrossEntropy(label_smoothing=settings.label_smoothing, class_weight=weight)
    sizes, init = [*settings.layers, 3], settings.initializer
    kinds = [*(settings.activation for _ in settings.layers), "identity"]
    layers = [fastnn.Dense(units, kind, initializer=init) for units, kind in zip(sizes, kinds, strict=True)]
    net = fastnn.Network(INPUTS, layers, loss=loss, dtype=settings.dtype, seed=settings.seed)
    trainer = net.trainer(optimizer_of(settings, -(-len(y) // 16)), 16, span=settings.span)
    best = BestEpoch("val_loss")
    for epoch in range(1, 7):
        order = np.random.default_rng([settings.seed, epoch]).permutation(len(y))
        trainer.epoch(x[rows[0]], y, order)
        if len(rows[1]):
            best.see(epoch, net.loss(x[rows[1]], twin.y[rows[1]]), net.parameters)
    right = net.parameters if best.parameters is None else best.parameters
    tolerance = 1e-4 if settings.dtype == "float32" else 1e-11
    np.testing.assert_allclose(outcome.model.network.parameters, right, rtol=tolerance, atol=tolerance)
    assert outcome.best_epoch == (6 if best.parameters is None else best.epoch)


def test_the_best_epoch_is_kept_and_patience_ends_the_run() -> None:
    settings = replace(QUICK, epochs=200, learning_rate=0.3, patience=4)
    outcome = train(table_of(), settings)
    losses = [record.val_loss for record in outcome.records]
    assert outcome.stopped == "patience"
    assert outcome.best_epoch == int(np.argmin(losses)) + 1
    assert len(losses) == outcome.best_epoch + 4
    assert outcome.scores["validation"]["loss"] == min(losses)
    assert losses[-1] > min(losses)


@pytest.mark.parametrize("classes", [3, 0])
def test_validation_is_one_forward_pass_an_epoch(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    forward = fastnn.Network.__call__
    monkeypatch.setattr(fastnn.Network, "__call__", lambda self, x: (rows.append(len(x)), forward(self, x))[1])
    training = Training(table_of(classes=classes), QUICK)
    assert len(list(training)) == QUICK.epochs
    assert rows == QUICK.epochs * [training.rows["validation"]]


@pytest.mark.parametrize("metric", ["loss", "accuracy", "val_accuracy"])
def test_other_metrics_choose_too(metric: str) -> None:
    outcome = train(table_of(), replace(QUICK, epochs=60, learning_rate=0.1, patience=5, metric=metric))
    values = [getattr(record, metric) for record in outcome.records]
    best = int(np.argmax(values) if "accuracy" in metric else np.argmin(values))
    assert outcome.best_epoch == best + 1
    assert len(values) == min(best + 6, 60)


def test_scores_are_of_each_part() -> None:
    outcome = train(table_of(), replace(QUICK, epochs=40, learning_rate=0.05))
    assert {name: part["rows"] for name, part in outcome.scores.items()} == {"train": 84, "validation": 18, "test": 18}
    assert all(part["accuracy"] > 0.8 for part in outcome.scores.values())
    assert list(train(table_of(), replace(QUICK, split=(0.8, 0.2, 0.0))).scores) == ["train", "validation"]


def test_numbers_are_predicted_in_their_own_units() -> None:
    table = table_of(classes=0)
    x, y = table.x.copy(), table.y.copy()
    outcome = train(table, replace(QUICK, epochs=150, learning_rate=0.02))
    model = outcome.model
    np.testing.assert_allclose(model.predict(x), y, atol=0.1 * y.std())
    found = outcome.scores["test"]
    assert found["rmse"] < 0.1 * y.std()
    assert 0.98 < found["r2"] < 1
    assert found["rmse"] == pytest.approx(np.sqrt(found["loss"]) * model.target_scaling.scales[0])
    assert all(np.isnan(record.accuracy) for record in outcome.records)
    assert "accuracy" not in outcome.records[0].as_dict()
    assert scores(model, np.ones((2, INPUTS)), np.ones(2))["r2"] is None


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "binary_cross_entropy_with_logits", "hinge", "cross_entropy"])
def test_two_classes_go_with_every_loss_of_classes(loss: str) -> None:
    table = table_of(classes=2)
    x, y = table.x.copy(), table.y.copy()
    outcome = train(table, replace(QUICK, loss=loss, epochs=60, learning_rate=0.03))
    model = outcome.model
    assert np.mean(model.predict(x) == y) > 0.93
    rows = np.random.default_rng(0).permutation(ROWS)
    table = confusion(model, model.standardised(x[rows]), y[rows])
    assert table.sum(axis=1).tolist() == np.bincount(y).tolist()
    assert np.trace(table) == np.sum(model.predict(x) == y)
    if loss == "hinge":
        with pytest.raises(ValueError, match="gives no probabilities"):
            model.predict_proba(x)
        return
    shares = model.predict_proba(x)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_array_equal(np.argmax(shares, axis=1), model.predict(x))


@pytest.mark.parametrize(
    ("classes", "more", "told"),
    [
        (3, {"loss": "mse"}, "loss is mse, and 'kind' holds 3 classes"),
        (0, {"loss": "cross_entropy"}, "loss is cross_entropy, and 'price' holds numbers"),
        (3, {"loss": "hinge"}, "hinge is for two classes; 'kind' has 3"),
        (2, {"loss": "hinge", "label_smoothing": 0.1}, "are for cross_entropy; the loss is hinge"),
        (0, {"class_weight": "balanced"}, "are for cross_entropy; the loss is mse"),
        (0, {"metric": "val_accuracy"}, "metric is val_accuracy, and 'price' holds numbers"),
        (3, {"split": (0.99, 0.005, 0.005)}, "too few for a validation part"),
    ],
)
def test_settings_that_do_not_suit_the_data_are_refused(classes: int, more: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        train(table_of(classes), replace(QUICK, **more))


def test_dropout_stands_behind_each_hidden_layer_and_is_drawn_from_the_seed() -> None:
    layers = layers_of(Settings(layers=(5, 4), dropout=0.25), 3, fastnn.CrossEntropy())
    assert [type(layer).__name__ for layer in layers] == ["Dense", "Dropout", "Dense", "Dropout", "Dense"]
    assert [layer.rate for layer in layers if isinstance(layer, fastnn.Dropout)] == [0.25, 0.25]
    settings = replace(QUICK, dropout=0.25)
    losses = [[record.loss for record in Training(table_of(), each)] for each in (settings, settings, QUICK)]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_the_last_layer_suits_the_loss() -> None:
    loss = fastnn.BinaryCrossEntropy()
    assert [layer.activation for layer in layers_of(Settings(layers=(5, 4), activation="tanh"), 1, loss)] == [
        "tanh", "tanh", "sigmoid",
    ]  # fmt: skip


def test_a_loss_that_is_not_finite_leaves_the_checkpoint_of_an_epoch_before(tmp_path: Path) -> None:
    settings = replace(QUICK, optimizer="nesterov", learning_rate=0.2, epochs=40, initializer="auto")
    training = Training(table_of(classes=0), settings)
    with pytest.raises(NonFiniteLoss, match="smaller learning rate"):
        run(training, checkpoint=tmp_path / "c", history=tmp_path / "h", checkpoint_seconds=0)
    found = Checkpoint.read(tmp_path / "c")
    assert 0 < len(found.records) <= training.epoch == len((tmp_path / "h").read_text().splitlines()) < 40
    assert np.isfinite(found.parameters).all()


def test_a_checkpoint_of_before_there_were_networks_by_name_goes_on() -> None:
    training = Training(table_of(), QUICK)
    next(iter(training))
    found = training.checkpoint()
    before = {name: value for name, value in found.settings.items() if name not in ("model", "flip", "shift")}
    old = replace(found, settings=before | {"standardise": True})
    again = Training(table_of(), QUICK)
    again.resume(old)
    assert again.epoch == len(found.records)
    with pytest.raises(ValueError, match="standardise is False, and True in the checkpoint"):
        Training(table_of(), replace(QUICK, standardise=False)).resume(old)


# Models ---------------------------------------------------------------------------------------------------------------


def model_of(classes: int = 3) -> Model:
    return train(table_of(classes), QUICK).model


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_a_model_comes_back_with_all_that_it_takes_to_use_it(classes: int, tmp_path: Path) -> None:
    model = model_of(classes)
    model.save(tmp_path / "m")
    again = Model.load(tmp_path / "m")
    assert (again.columns, again.target) == (model.columns, model.target)
    x = table_of(classes, seed=1).x
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    again.save(tmp_path / "n")
    assert (tmp_path / "n").read_bytes() == (tmp_path / "m").read_bytes()
    net = fastnn.load(tmp_path / "m")
    np.testing.assert_array_equal(net(model.standardised(x)), model.network(model.standardised(x)))


def test_columns_of_names_come_back(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("size,town,y\n" + "".join(f"{i},{'ABC'[i % 3]},{'nojein'[i % 2 * 2 :][:4]}\n" for i in range(40)))
    model = train(read(open_source(file)), QUICK).model
    model.save(tmp_path / "m")
    assert Model.load(tmp_path / "m").columns == (Column("size"), Column("town", ("A", "B", "C")))
    assert Model.load(tmp_path / "m").target == model.target


def test_files_that_are_no_model_are_refused(tmp_path: Path) -> None:
    fastnn.mlp(2, 2).save(tmp_path / "net")
    with pytest.raises(FileError, match="not what its inputs are"):
        Model.load(tmp_path / "net")
    model = model_of()
    for wrong in (
        replace(model, columns=model.columns[1:]),
        replace(model, scaling=Scaling.none(2)),
        replace(model, target=Target("kind", ("a", "b"))),
        replace(model, target_scaling=Scaling.none(2)),
    ):
        wrong.save(tmp_path / "wrong")
        with pytest.raises(FileError, match="what it says of its table is broken"):
            Model.load(tmp_path / "wrong")
    for text in ("[]", "{", '{"columns": 3}'):
        fastnn.save(model.network, tmp_path / "wrong", {"table": text})
        with pytest.raises(FileError, match="is broken"):
            Model.load(tmp_path / "wrong")


def test_data_without_a_name_of_their_own_make_model_safetensors(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for data in (tmp_path / "pipe.csv", "/", "-", "/dev/null"):
        assert training.model_file(str(data)) == Path("model.safetensors")
    (tmp_path / "digits.2").mkdir()
    assert training.model_file(str(tmp_path / "digits.2")) == Path("digits.2.safetensors")
    (tmp_path / "a.b.csv").touch()
    assert training.model_file(str(tmp_path / "a.b.csv")) == Path("a.b.safetensors")
