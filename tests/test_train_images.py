"""fastnn train, evaluate and predict-on with images, and their trainings: to the bit what a plain loop does."""

from __future__ import annotations

import csv
import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest
from click.testing import CliRunner, Result

import fastnn
from fastnn.cli import main
from fastnn.learning.trainer import NonFiniteLoss
from fastnn.networks.io import FileError, save
from fastnn.samples import Augmentation, Form, Samples
from fastnn.tables import Scaling, Target
from fastnn.train import SampleModel, SampleTraining, Settings, load_model, run
from fastnn.train.networks import sample_network

QUICK = Settings(epochs=3, batch=16, seed=4, model="simplechains", layers=(64,))


@pytest.fixture(autouse=True)
def _all_threads_again() -> Iterator[None]:
    before = fastnn.get_num_threads()
    yield
    fastnn.set_num_threads(before)


def invoke(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def shapes(rows: int = 90, side: int = 16, channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Bars across (0), bars down (1) and squares (2) on a noisy ground."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 80, (rows, side, side, channels), np.uint8)
    y = np.arange(rows) % 3
    for image, label in zip(x, y, strict=True):
        top, left = rng.integers(1, side - 8, 2)
        image[top : top + (2, 7, 5)[label], left : left + (7, 2, 5)[label]] = 220
    return x, y


def samples_of(rows: int = 90, side: int = 16, channels: int = 1) -> Samples:
    x, y = shapes(rows, side, channels)
    names = ("across", "down", "square")
    return Samples(x, y, Form("images", x.shape[1:], unit=True), Target("class", names), "shapes")


def bits(training: SampleTraining, folder: Path, **options: Any) -> bytes:
    run(training, **options).model.save(folder / "bits")
    return (folder / "bits").read_bytes()


# Training -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("flip", "shift"), [(False, 0), (True, 2)])
def test_a_run_is_that_of_a_plain_loop_on_images_of_its_steps(flip: bool, shift: int) -> None:
    settings = replace(QUICK, flip=flip, shift=shift)
    training = SampleTraining(samples_of(), settings)
    bytes_, labels = training.x["train"]._x.copy(), training.y["train"].copy()
    net = sample_network(settings, Form("images", (16, 16, 1)), training.model.target, labels)
    trainer = net.trainer(fastnn.Adam(), 16, settings.seed)
    augmentation = Augmentation(flip, shift, settings.seed)
    held_out = training.x["validation"]._x.astype(np.float32) / np.float32(255)
    for record in training:
        losses = []
        order = np.random.default_rng([settings.seed, record.epoch]).permutation(len(labels))
        for at in range(0, len(order), 16):
            rows = order[at : at + 16]
            x = augmentation.of_steps(bytes_[rows], trainer.steps, 16) if flip or shift else bytes_[rows]
            losses.append(trainer.step(x.astype(np.float32) / np.float32(255), labels[rows]) * len(rows))
        assert record.loss == pytest.approx(sum(losses) / len(labels), rel=1e-12)
        # Held-out images are as they are.
        assert record.val_loss == net.evaluate(held_out, training.y["validation"]).loss
        np.testing.assert_array_equal(training.network.parameters, net.parameters)


@pytest.mark.parametrize("model", ["simplechains", "keras-convnet", "resnet10"])
def test_a_run_that_stops_and_goes_on_ends_in_the_same_bytes(model: str, tmp_path: Path) -> None:
    settings = replace(QUICK, model=model, flip=True, shift=2, dropout=0.2, epochs=5)
    place = tmp_path / "c"
    whole = bits(SampleTraining(samples_of(), settings), tmp_path)
    stopped = run(SampleTraining(samples_of(), settings), checkpoint=place, after=lambda record: record.epoch == 2)
    assert stopped.stopped == "asked"
    assert bits(SampleTraining(samples_of(), settings), tmp_path, checkpoint=place, resume=True) == whole
    with pytest.raises(ValueError, match="shift is 1, and 2 in the checkpoint"):
        run(SampleTraining(samples_of(), replace(settings, shift=1)), checkpoint=place, resume=True)
    assert bits(SampleTraining(samples_of(), replace(settings, shift=0)), tmp_path) != whole


def test_spans_are_those_of_the_network_unless_others_are_asked_for() -> None:
    networks = SampleTraining(samples_of(), Settings(model="lenet5", batch=40, epochs=1))
    assert networks.trainer.span == networks.network.plan(40).span < 1024
    assert SampleTraining(samples_of(), Settings(model="lenet5", batch=40, epochs=1, span=24)).trainer.span == 24


@needs.two_cores
def test_threads_change_no_bit(tmp_path: Path) -> None:
    settings, found = replace(QUICK, model="keras-convnet", flip=True, shift=3, batch=40), []
    for threads in (1, 2):
        fastnn.set_num_threads(threads)
        found.append(bits(SampleTraining(samples_of(200, 20), settings), tmp_path))
    assert found[0] == found[1]


def test_images_stay_bytes(tmp_path: Path) -> None:
    """An epoch needs the numbers of a few steps beside them, where all would take 16 MB."""
    training = SampleTraining(samples_of(4000, 32), replace(QUICK, epochs=2, split=(0.9, 0.1, 0.0)))
    epochs = iter(training)
    next(epochs)
    tracemalloc.start()
    next(epochs)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6e6


def test_a_loss_that_is_not_finite_leaves_the_last_finite_step() -> None:
    """The way back makes the images of each step again."""
    settings = replace(QUICK, flip=True, shift=2, optimizer="sgd", learning_rate=1e4)
    training = SampleTraining(samples_of(), settings)
    steps = SampleTraining(samples_of(), settings)
    with pytest.raises(NonFiniteLoss) as stopped:
        list(training)
    assert np.isfinite(training.network.parameters).all()
    order = np.random.default_rng([settings.seed, 1]).permutation(len(steps.y["train"]))
    held = steps._held("train")
    steps.trainer.epoch(held, order, stopped.value.step)
    assert steps.trainer.steps == stopped.value.step < 4
    np.testing.assert_array_equal(training.network.parameters, steps.network.parameters)


def test_numbers_can_be_predicted_from_images(tmp_path: Path) -> None:
    x, _ = shapes()
    y = x.reshape(len(x), -1).mean(axis=1) * 10
    samples = Samples(x, y, Form("images", x.shape[1:], unit=True), Target("light"), "shapes")
    expected = {image.tobytes(): number for image, number in zip(x.copy(), y.copy(), strict=True)}
    outcome = run(SampleTraining(samples, replace(QUICK, model="mlp", epochs=60, standardise=True)))
    assert outcome.scores["train"]["r2"] > 0.8
    learned = x[: outcome.scores["train"]["rows"]]  # where the training has moved them
    right = np.array([expected[image.tobytes()] for image in learned])
    r2 = 1 - np.mean((outcome.model.predict(learned) - right) ** 2) / right.var()
    assert r2 == pytest.approx(outcome.scores["train"]["r2"], rel=1e-5)


def test_a_file_that_is_broken_is_refused(tmp_path: Path) -> None:
    model = run(SampleTraining(samples_of(), replace(QUICK, epochs=1))).model
    model.save(tmp_path / "m")
    again = load_model(tmp_path / "m")
    assert isinstance(again, SampleModel)
    assert (again.form, again.target) == (model.form, model.target)
    x, _ = shapes()
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    broken = [
        replace(model, form=Form("images", (16, 17, 1))),
        replace(model, target=Target("class", ("a", "b"))),
        replace(model, scaling=Scaling.none(3)),
    ]
    for wrong in broken:
        wrong.save(tmp_path / "m")
        with pytest.raises(FileError, match="what it says of its rows is broken"):
            load_model(tmp_path / "m")
    save(model.network, tmp_path / "m", {"samples": '{"form": 3}'})
    with pytest.raises(FileError, match="what it says of its rows is broken"):
        load_model(tmp_path / "m")


# Networks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shape", "parameters"),
    [
        ("lenet5", (32, 32, 1), 61_706), ("lenet5", (28, 28, 1), 61_706), ("simplechains", (28, 28, 1), 44_426),
        ("keras-convnet", (28, 28, 1), 34_826), ("resnet10", (28, 28, 1), 121_274), ("resnet10", (5, 5, 3), 121_562),
        (None, (28, 28, 1), 34_826), (None, (9, 30, 1), 121_274), ("mlp", (8, 8, 1), 64 * 64 + 64 + 650),
    ],
)  # fmt: skip
def test_networks_are_those_of_their_names(name: str | None, shape: tuple[int, ...], parameters: int) -> None:
    target = Target("class", tuple("0123456789"))
    net = sample_network(Settings(model=name), Form("images", shape), target, np.arange(10))
    assert (net.parameter_count, net.input_shape, net.outputs) == (parameters, shape, 10)


@pytest.mark.parametrize(
    ("settings", "shape", "told"),
    [
        ({"model": "simplechains"}, (8, 8, 1), "simplechains does not take images of 8x8, grey .*resnet10 takes any"),
        ({"model": "alexnet"}, (28, 28, 3), "alexnet does not take images of 28x28, colour"),
        (
            {"model": "gru"},
            (8, 8, 1),
            "model is gru, and there are images of 8x8, grey; expected keras-convnet",
        ),
        ({"model": "lenet5", "layers": (5,)}, (28, 28, 1), "layers is of mlp, gru, lstm, rnn; lenet5 has its own"),
        ({"activation": "tanh"}, (28, 28, 1), "activation is of mlp, lenet5, simplechains; keras-convnet has its own"),
        ({"shift": 9}, (9, 12, 1), "shift is 9 pixels, which leaves nothing"),
        ({"loss": "mse"}, (28, 28, 1), "loss is mse, and 'class' holds 3 classes"),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict[str, Any], shape: tuple[int, ...], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        sample_network(Settings(**settings), Form("images", shape), Target("class", ("a", "b", "c")), np.arange(3))


# Commands -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """90 grey images in three classes, as PNG."""
    image = needs.package("PIL.Image")
    x, y = shapes()
    for at, (pixels, label) in enumerate(zip(x, y, strict=True)):
        place = tmp_path / "shapes" / ("across", "down", "square")[label]
        place.mkdir(parents=True, exist_ok=True)
        image.fromarray(pixels[..., 0]).save(place / f"{at:02}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "shapes"


def test_a_folder_is_trained_on_and_its_model_used_again(folder: Path) -> None:
    result = invoke("train", "shapes", "--epochs", 40, "--batch", 8, "--threads", 1, "--json", "run.json")
    assert result.exit_code == 0, result.output
    told = " ".join(result.stderr.split())
    assert "shapes: 90 images of 16x16, grey, to predict class, 3 classes; network keras-convnet, 19,587 para" in told
    assert "read as: bytes, scaled to 0..1" in told
    assert "epoch 40/40: loss" in told
    assert "written: shapes.safetensors" in told
    document = json.loads(Path("run.json").read_text())
    assert document["data"]["form"]["shape"] == [16, 16, 1]
    assert document["scores"]["train"]["accuracy"] > 0.9

    scored = invoke("evaluate", "shapes.safetensors", "shapes", "--json", "-")
    assert scored.exit_code == 0, scored.output
    found = json.loads(scored.stdout)
    assert found["classes"] == ["across", "down", "square"]
    assert np.sum(found["confusion"]) == 90

    listed = invoke("predict-on", "shapes.safetensors", "shapes", "--probabilities")
    assert listed.exit_code == 0, listed.output
    rows = list(csv.DictReader(listed.stdout.splitlines()))
    right = [row["file"].split("/")[1] == row["prediction"] for row in rows]
    assert np.mean(right) == found["scores"]["accuracy"]
    assert rows[0]["file"] == "shapes/across/00.png"
    # The bare network has the same answers for pixels from 0 to 1.
    x = np.asarray(needs.package("PIL.Image").open(folder / "across" / "00.png"))[None, ..., None]
    proba = fastnn.load("shapes.safetensors").predict_proba(x / 255)[0]
    names = [f"probability of {name}" for name in found["classes"]]
    np.testing.assert_allclose([float(rows[0][name]) for name in names], proba, rtol=1e-5)
    alone = invoke("predict-on", "shapes.safetensors", "shapes/across/00.png", "--json-lines")
    assert json.loads(alone.stdout) == {name: rows[0][name] for name in ("file", "prediction")}


def test_a_size_that_was_asked_for_is_the_models(folder: Path) -> None:
    needs.package("PIL.Image").new("L", (40, 20)).save(folder / "down" / "large.png")
    result = invoke("train", "shapes", "--epochs", 1)
    assert result.exit_code == 2
    told = " ".join(result.stderr.split())
    assert "shapes/across/00.png 16x16, shapes/down/large.png 20x40" in told
    assert "(--image-size)" in told
    assert not Path("shapes.safetensors").exists()
    assert invoke("train", "shapes", "--epochs", 1, "--image-size", "12x14").exit_code == 0
    model = load_model("shapes.safetensors")
    assert isinstance(model, SampleModel)
    assert model.form == Form("images", (12, 14, 1), resizes=True, unit=True)
    assert invoke("predict-on", "shapes.safetensors", "shapes/down/large.png").exit_code == 0


def test_arrays_and_a_folder_of_the_same_images_make_the_same_network(folder: Path) -> None:
    x, y = shapes()
    order = np.argsort(y, kind="stable")
    np.savez("shapes.npz", x=x[order][:, None, :, :, 0], y=np.array(["across", "down", "square"])[y[order]])
    for data, model in (("shapes", "a"), ("shapes.npz", "b")):
        result = invoke("train", data, "--epochs", 2, "--flip", "--shift", 1, "--model", "simplechains", "-o", model)
        assert result.exit_code == 0, result.output
    assert "x (N, C, H, W)" in result.stderr
    one, other = fastnn.load("a"), fastnn.load("b")
    np.testing.assert_array_equal(one.parameters, other.parameters)
    assert invoke("evaluate", "a", "shapes.npz").exit_code == 0
    found = invoke("predict-on", "b", "shapes.npz").stdout.split()
    assert (found[0], len(found)) == ("prediction", 91)
    assert [line.split(",")[1] for line in invoke("predict-on", "b", "shapes").stdout.split()[1:]] == found[1:]


def test_a_built_in_set_is_of_images_where_a_network_of_images_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = invoke("train", "digits", "--model", "resnet10", "--epochs", 1, "--batch", 128, "--split", "0.2/0.1/0.7")
    assert found.exit_code == 0, found.output
    assert "digits: 1,797 images of 8x8, grey" in " ".join(found.stderr.split())
    assert invoke("evaluate", "digits.safetensors", "digits").exit_code == 0
    refused = invoke("train", "spam", "--model", "lenet5", "-o", "m")
    assert refused.exit_code == 2
    assert "x has shape (4096, 3); expected images" in " ".join(refused.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["shapes", "--drop", "a"], "--drop is for tables; shapes is read as images"),
        (["shapes", "--header"], "--header is for tables"),
        (["shapes", "--model", "gru"], "shapes is a folder of images, and the model takes sequences"),
        (["shapes", "--axes", "NHW"], "shapes is a folder; axes is for files of arrays"),
        (["shapes", "--image-size", "28"], "image-size is '28'; expected height and width in pixels, such as 28x28"),
        (["shapes", "--image-size", "8x8", "--model", "lenet5"], "lenet5 does not take images of 8x8, grey"),
        (["shapes", "--shift", "-1"], "shift is -1; expected at least 0"),
        (["shapes", "--text"], "shapes is no file; expected a text"),
        (["t.csv", "--model", "lenet5"], "model is lenet5, which is of images or sequences, and this is a table"),
        (["t.csv", "--flip"], "flip and shift are of images or sequences, and this is a table"),
        (["t.csv", "--image-size", "8x8"], "--image-size is of images or sequences, and t.csv is a table"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(folder: Path, arguments: list[str], told: str) -> None:
    needs.package("pyarrow")
    Path("t.csv").write_text("a,y\n" + "".join(f"{i},{i % 2}\n" for i in range(40)))
    before = sorted(Path().iterdir())
    result = invoke("train", *arguments)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())
    assert sorted(Path().iterdir()) == before


def test_options_of_tables_are_refused_where_a_model_of_images_is_used(folder: Path) -> None:
    assert invoke("train", "shapes", "--epochs", 1).exit_code == 0
    for command in ("evaluate", "predict-on"):
        found = invoke(command, "shapes.safetensors", "shapes", "--delimiter", ";")
        assert found.exit_code == 2
        assert "--delimiter is for tables, and the model is of images or sequences" in " ".join(found.stderr.split())


def test_images_as_a_table_are_one_column_a_pixel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    x, y = shapes()
    np.savez("t.npz", x=x, y=y)
    found = invoke("train", "t.npz", "--model", "mlp", "--layers", 4, "--epochs", 1)
    assert found.exit_code == 0, found.output
    assert "90 rows, 256 columns to predict y, 3 classes; network 256-4-3" in found.stderr


def test_options_of_images_can_stand_in_a_file(folder: Path) -> None:
    Path("run.toml").write_text('model = "simplechains"\nflip = true\nshift = 1\nimage-size = "16x17"\nepochs = 1\n')
    found = invoke("train", "shapes", "--config", "run.toml", "--json", "-")
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert (document["settings"]["flip"], document["settings"]["shift"]) == (True, 1)
    assert document["data"]["form"]["shape"] == [16, 17, 1]
    Path("run.toml").write_text('axes = "HWN"\n')
    assert "axes is 'HWN'; expected one of NHW" in invoke("train", "shapes", "--config", "run.toml", "-o", "m").stderr


@pytest.mark.parametrize("option", ["-o", "--checkpoint", "--history", "--json"])
def test_nothing_is_written_among_the_classes(folder: Path, option: str) -> None:
    found = invoke("train", "shapes", option, "shapes/run", "--epochs", 1)
    assert found.exit_code == 2
    assert "shapes/run lies in shapes, of which classes are read" in " ".join(found.stderr.split())
    assert not (folder / "run").exists()
