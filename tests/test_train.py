"""Training on tables: settings, split, what is trained is what fit trains, and where a run stands."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import fastnn
from fastnn import FileError, NonFiniteLoss
from fastnn.early_stopping import BestEpoch
from fastnn.tables import Column, Scaling, Table, Target, open_source, read
from fastnn.train import Checkpoint, Model, Outcome, Settings, Training, confusion, run, scores, settings_of, train
from fastnn.train.building import layers_of, optimizer_of
from fastnn.train.records import HistoryFile, Record
from fastnn.train.splitting import gather, split
from fastnn.training import FACTOR, LEARNING_RATE

Array = npt.NDArray[Any]

ROWS, INPUTS = 120, 4
QUICK = Settings(layers=(8,), epochs=6, batch=16, seed=3, dtype="float64")


def table_of(classes: int = 3, rows: int = ROWS, seed: int = 0) -> Table:
    """Classes by the largest of so many inputs, or, without any, numbers around 1000."""
    rng = np.random.default_rng(seed)
    x = rng.normal(5, 2, (rows, INPUTS))
    columns = tuple(Column(f"c{i}") for i in range(INPUTS))
    if not classes:
        return Table(x, 1000 + 50 * x[:, 0] - 20 * x[:, 1], columns, Target("price"), "table")
    y = np.argmax(x[:, :classes], axis=1)
    return Table(x, y, columns, Target("kind", tuple(f"k{i}" for i in range(classes))), "table")


def bits(outcome: Outcome, folder: Path) -> bytes:
    outcome.model.save(folder / "bits")
    return (folder / "bits").read_bytes()


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
        ({"split": "0.7/0.2"}, "shares that make 1"),
        ({"split": "0/0.5/0.5"}, "the first of them above 0"),
        ({"split": "much"}, "split is 'much'"),
        ({"split": [1]}, "expected shares of training, validation and test"),
        ({"dropout": 1.0}, "leaves nothing"),
        ({"dropout": -0.5}, "dropout is -0.5"),
        ({"momentum": 0.5}, "momentum is for the optimizers momentum and nesterov; adam has none"),
        ({"warmup": 2}, "warmup is for the schedule cosine; constant has none"),
        ({"decay": 0.5, "schedule": "cosine"}, "decay is for the schedule step"),
        ({"power": 1.0}, "power is for the schedule inverse_scaling"),
        ({"warmup": 30, "schedule": "cosine"}, "warmup is 30"),
        ({"patience": 3, "split": "1/0"}, "val_loss needs a part for validation"),
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
        found.append(float(fastnn.training.learning_rate(trainer.control)))
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


# Training -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"schedule": "cosine", "warmup": 1.0, "clip_norm": 0.5},
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
    if settings.standardise:
        x = ((x - x[rows[0]].mean(axis=0)) / x[rows[0]].std(axis=0)).astype(settings.dtype)
    y = twin.y[rows[0]]
    weight = tuple(len(y) / (3 * np.bincount(y))) if settings.class_weight == "balanced" else None
    loss = fastnn.CrossEntropy(label_smoothing=settings.label_smoothing, class_weight=weight)
    net = fastnn.mlp(INPUTS, *settings.layers, 3, loss=loss, dtype=settings.dtype, seed=settings.seed)
    trainer = net.trainer(optimizer_of(settings, -(-len(y) // 16)), 16)
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


def test_the_last_layer_suits_the_loss() -> None:
    loss = fastnn.BinaryCrossEntropy()
    assert [layer.activation for layer in layers_of(Settings(layers=(5, 4), activation="tanh"), 1, loss)] == [
        "tanh", "tanh", "sigmoid",
    ]  # fmt: skip


def test_dropout_stands_behind_each_hidden_layer_and_is_drawn_from_the_seed() -> None:
    layers = layers_of(Settings(layers=(5, 4), dropout=0.25), 3, fastnn.CrossEntropy())
    assert [type(layer).__name__ for layer in layers] == ["Dense", "Dropout", "Dense", "Dropout", "Dense"]
    assert [layer.rate for layer in layers if isinstance(layer, fastnn.Dropout)] == [0.25, 0.25]
    settings = replace(QUICK, dropout=0.25)
    losses = [[record.loss for record in Training(table_of(), each)] for each in (settings, settings, QUICK)]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_a_loss_that_is_not_finite_leaves_the_checkpoint_of_an_epoch_before(tmp_path: Path) -> None:
    settings = replace(QUICK, optimizer="nesterov", learning_rate=0.2, epochs=40)
    training = Training(table_of(classes=0), settings)
    with pytest.raises(NonFiniteLoss, match="smaller learning rate"):
        run(training, checkpoint=tmp_path / "c", history=tmp_path / "h", checkpoint_seconds=0)
    found = Checkpoint.read(tmp_path / "c")
    assert 0 < len(found.records) <= training.epoch == len((tmp_path / "h").read_text().splitlines()) < 40
    assert np.isfinite(found.parameters).all()


# Standing and going on ------------------------------------------------------------------------------------------------


def stop_after(epochs: int) -> Any:
    return lambda record: record.epoch == epochs


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize(
    "more",
    [{}, {"schedule": "cosine", "warmup": 2.0}, {"optimizer": "nesterov", "patience": 3, "learning_rate": 0.02},
     {"split": (0.9, 0.0, 0.1), "dropout": 0.3}],
)  # fmt: skip
def test_a_run_that_stopped_goes_on_to_the_same_bits(more: dict[str, Any], classes: int, tmp_path: Path) -> None:
    settings = replace(QUICK, epochs=12, **more)
    whole = train(table_of(classes), settings)
    for epochs in (1, 4, 5):
        kept = {"checkpoint": tmp_path / f"{epochs}.c", "history": tmp_path / f"{epochs}.h"}
        part = train(table_of(classes), settings, **kept, after=stop_after(epochs))
        assert len(part.records) == epochs
        again = train(table_of(classes), settings, **kept, resume=True)
        assert bits(again, tmp_path) == bits(whole, tmp_path)
        assert (again.best_epoch, again.stopped, again.scores) == (whole.best_epoch, whole.stopped, whole.scores)
        for ours, right in zip(again.records, whole.records, strict=True):
            np.testing.assert_array_equal(ours[:5], right[:5])
        lines = [json.loads(line) for line in kept["history"].read_text().splitlines()]
        assert lines == [record.as_dict() for record in again.records]


def test_a_run_that_is_over_is_over_again(tmp_path: Path) -> None:
    first = train(table_of(), QUICK, checkpoint=tmp_path / "c", history=tmp_path / "h")
    again = train(table_of(), QUICK, checkpoint=tmp_path / "c", history=tmp_path / "h", resume=True)
    assert bits(first, tmp_path) == bits(again, tmp_path)
    assert again.records == first.records


def test_more_epochs_may_follow_where_no_schedule_looks_ahead(tmp_path: Path) -> None:
    train(table_of(), QUICK, checkpoint=tmp_path / "c")
    longer = replace(QUICK, epochs=9)
    more = train(table_of(), longer, checkpoint=tmp_path / "c", resume=True)
    assert bits(more, tmp_path) == bits(train(table_of(), longer), tmp_path)
    with pytest.raises(ValueError, match="epochs is 5, and 9 in the checkpoint"):
        train(table_of(), replace(QUICK, epochs=5), checkpoint=tmp_path / "c", resume=True)
    ahead = replace(QUICK, schedule="cosine")
    train(table_of(), ahead, checkpoint=tmp_path / "d")
    with pytest.raises(ValueError, match="epochs is 9, and 6 in the checkpoint"):
        train(table_of(), replace(ahead, epochs=9), checkpoint=tmp_path / "d", resume=True)


@pytest.mark.parametrize(
    ("more", "seed", "rows", "told"),
    [
        ({"batch": 8}, 0, ROWS, "batch is 8, and 16 in the checkpoint"),
        (
            {"layers": (9,), "learning_rate": 0.1},
            0,
            ROWS,
            r"layers is \[9\], and \[8\] in the checkpoint; learning_rate",
        ),
        ({}, 1, ROWS, "fingerprint is .*, and .* in the checkpoint"),
        ({}, 0, ROWS - 1, "rows is 119, and 120 in the checkpoint"),
    ],
)
def test_other_settings_or_data_are_refused(
    more: dict[str, Any], seed: int, rows: int, told: str, tmp_path: Path
) -> None:
    train(table_of(), QUICK, checkpoint=tmp_path / "c", after=stop_after(2))
    before = (tmp_path / "c").read_bytes()
    with pytest.raises(ValueError, match=f"cannot go on: .*{told}"):
        train(table_of(rows=rows, seed=seed), replace(QUICK, **more), checkpoint=tmp_path / "c", resume=True)
    assert (tmp_path / "c").read_bytes() == before


def test_files_of_another_run_are_left_alone(tmp_path: Path) -> None:
    kept = {"checkpoint": tmp_path / "c", "history": tmp_path / "h"}
    train(table_of(), QUICK, **kept)
    before = [file.read_bytes() for file in kept.values()]
    with pytest.raises(FileExistsError, match="resume it"):
        train(table_of(), QUICK, **kept)
    with pytest.raises(FileExistsError, match="holds something else"):
        train(table_of(), QUICK, history=tmp_path / "h")
    with pytest.raises(FileExistsError, match="holds something else"):
        train(table_of(), QUICK, checkpoint=tmp_path / "c", history=tmp_path / "c", resume=True)
    with pytest.raises(FileExistsError, match="holds something else"):
        train(table_of(), QUICK, checkpoint=tmp_path / "mistyped", history=tmp_path / "h", resume=True)
    assert not (tmp_path / "mistyped").exists()
    assert [file.read_bytes() for file in kept.values()] == before
    train(table_of(), replace(QUICK, seed=4), **kept, overwrite=True)
    assert (tmp_path / "c").read_bytes() != before[0]


RECORDS = [Record(i + 1, 0.5, float("nan"), 0.25, float("inf"), 0.1, 10.0, 1.0) for i in range(3)]


def test_a_history_is_cut_where_the_checkpoint_stands(tmp_path: Path) -> None:
    file = HistoryFile(tmp_path / "h", [])
    with file:
        for record in RECORDS:
            file.append(record)
    lines = (tmp_path / "h").read_text().splitlines(keepends=True)
    assert json.loads(lines[1]) == {
        "epoch": 2, "loss": 0.5, "val_loss": 0.25, "val_accuracy": None, "seconds": 0.1, "samples_per_s": 10.0,
        "gflops": 1.0,
    }  # fmt: skip
    with (tmp_path / "h").open("a") as torn:
        torn.write('{"epoch": 4, "lo')
    for count in (2, 0):
        with HistoryFile(tmp_path / "h", RECORDS[:count], resume=True):
            pass
        assert (tmp_path / "h").read_text() == "".join(lines[:count])
    (tmp_path / "h").write_text("".join(lines[:1]))
    with pytest.raises(FileExistsError, match="holds something else"):
        HistoryFile(tmp_path / "h", RECORDS[:2], resume=True)


def test_what_a_killed_writer_left_is_swept_away(tmp_path: Path) -> None:
    left = tmp_path / ".c.0123.tmp"
    for file in (left, tmp_path / ".d.0123.tmp"):
        file.touch()
    train(table_of(), QUICK, checkpoint=tmp_path / "c", resume=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == [".d.0123.tmp", "c"]


def test_a_checkpoint_is_written_when_it_is_due(tmp_path: Path) -> None:
    seen = []

    def look(record: Record) -> bool:
        seen.append(len(Checkpoint.read(tmp_path / "c").records))
        return record.epoch == 3

    run(Training(table_of(), QUICK), checkpoint=tmp_path / "c", after=look, checkpoint_seconds=1000)
    assert seen == [0, 0, 0]
    assert len(Checkpoint.read(tmp_path / "c").records) == 3


def test_files_that_are_no_checkpoint_are_refused(tmp_path: Path) -> None:
    fastnn.mlp(2, 2).save(tmp_path / "net")
    with pytest.raises(FileError, match="expected 'fastnn-checkpoint/1'"):
        train(table_of(), QUICK, checkpoint=tmp_path / "net", resume=True)
    fastnn.io.write(tmp_path / "half", {"state": np.ones(2)}, {"format": "fastnn-checkpoint/1", "settings": "{}"})
    with pytest.raises(FileError, match="half"):
        Checkpoint.read(tmp_path / "half")
    training = Training(table_of(), QUICK)
    found = training.checkpoint()
    with pytest.raises(ValueError, match="of another network"):
        training.resume(replace(found, parameters=found.parameters[:4]))


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
