"""Models on paper: the published counts, exactly, and what they take on given hardware."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fastnn.cli import main
from fastnn.paper.convolutional import Convolutional
from fastnn.paper.estimate import devices_needed, estimate
from fastnn.paper.models import Stated, hardware, hardware_names, model, model_names
from fastnn.paper.transformer import Transformer

# Of the papers' tables and released weights.
PARAMETERS = {
    "gpt2": 124_439_808, "gpt2-medium": 354_823_168, "gpt2-large": 774_030_080, "gpt2-xl": 1_557_611_200,
    "gpt3": 174_604_259_328, "llama-2-7b": 6_738_415_616, "llama-2-70b": 68_976_648_192,
    "llama-3-8b": 8_030_261_248, "llama-3-70b": 70_553_706_496, "llama-3.1-405b": 405_853_388_800,
    "lenet-5": 61_706, "alexnet": 61_100_840,
}  # fmt: skip
SMALL: dict[str, Any] = {"layers": 2, "width": 8, "heads": 2, "vocabulary": 10, "context": 4}


def predict(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["predict", *map(str, arguments)])


@pytest.mark.parametrize(("name", "parameters"), PARAMETERS.items())
def test_parameters_are_the_published_ones(name: str, parameters: int) -> None:
    assert model(name).parameters == parameters


def test_multiply_adds_are_the_published_ones() -> None:
    assert model("lenet-5").forward_macs(1) == 416_520
    assert model("alexnet").forward_macs(1) == 714_188_480
    assert model("alexnet").forward_macs(3) == 3 * 714_188_480
    # nanoGPT's count of GPT-2 without biases, and of three forward passes.
    shape = Transformer(
        layers=12, width=768, heads=12, vocabulary=50257, context=1024, positions=True, tied=True, norm="layer-no-bias"
    )
    assert shape.parameters == 124_337_664
    assert 2 * shape.forward_macs(1024) == 291_648_307_200
    assert estimate(model("gpt2"), 1024).step_flops == 874_944_921_600


def test_six_n_d_of_gpt3_is_the_published_one() -> None:
    assert estimate(model("gpt3"), 2048).six_n_d == pytest.approx(3.143e23, rel=1e-3)


def test_palm_reaches_the_utilisation_that_it_reports() -> None:
    palm = model("palm-540b")
    assert palm.parameters == pytest.approx(540.35e9, rel=1e-4)
    a_token = estimate(palm, 2048).step_flops / 2048
    assert 238.3e3 * a_token / (6144 * hardware("tpu-v4").flops_per_s) == pytest.approx(0.462, abs=5e-4)


def test_llama_2_takes_about_the_gpu_hours_that_were_published() -> None:
    found = estimate(model("llama-2-7b"), 4096, hardware("a100"))
    assert found.training_s is not None
    assert found.training_s.low / 3600 < 184_320 < found.training_s.high / 3600


def test_gpt4_is_called_an_estimate_and_counts_what_is_active() -> None:
    gpt4 = model("gpt4")
    assert (gpt4.estimate, gpt4.parameters, gpt4.active_parameters) == (True, 1_800_000_000_000, 280_000_000_000)
    assert gpt4.forward_macs(2) == 560_000_000_000
    assert "estimate" in gpt4.source


def test_a_prompt_of_llama_70b_on_eight_gpus() -> None:
    result = predict("llama-3-70b", "--rows", "4096", "--hardware", "h100", "--devices", "8", "--json", "-")
    (found,) = json.loads(result.stdout)["models"]
    assert (found["params"], found["devices"], found["rows"]) == (70_553_706_496, 8, 4096)
    assert found["devices_to_train"] == 15  # 16 bytes a parameter
    # Matrices without the embedding's look-up, and attention.
    macs = 4096 * (70_553_706_496 - 128256 * 8192 - (2 * 80 + 1) * 8192 + 80 * 2 * 8192 * 4096)
    assert found["macs"] == macs
    assert found["flops"] == 2 * macs
    assert found["forward_s"]["median"] == pytest.approx(2 * macs / (8 * 989e12 * 0.4))
    assert found["forward_s"]["low"] < found["forward_s"]["median"] < found["forward_s"]["high"]
    assert found["cache_bytes"] == 2 * 80 * 8 * 128 * 4096 * 2


def test_a_pass_is_no_faster_than_its_weights_are_read() -> None:
    found = estimate(model("gpt3"), 1, hardware("h100"), devices=8)
    assert found.forward_s is not None
    assert found.forward_s.median == pytest.approx(2 * 174_604_259_328 / (8 * 3.35e12))


def test_memory_is_that_of_weights_gradients_and_adam() -> None:
    found = estimate(model("llama-2-7b"), 4096)
    assert found.weight_bytes + found.gradient_bytes + found.optimizer_bytes == 16 * 6_738_415_616
    assert devices_needed(found, hardware("h100"), training=False) == 1
    assert devices_needed(found, hardware("h100"), training=True) == 2


def test_every_model_and_device_can_be_read_and_says_where_it_is_from() -> None:
    assert set(model_names()) == {*PARAMETERS, "palm-540b", "gpt4"}
    assert all(model(name).source for name in model_names())
    assert all(hardware(name).source for name in hardware_names())


def test_all_models_stand_in_the_table() -> None:
    result = predict()
    assert result.exit_code == 0
    for name, parameters in PARAMETERS.items():
        assert any(line.startswith(name) and f" {parameters:,} " in line for line in result.stdout.splitlines())
    assert "gpt4 is an estimate, 280,000,000,000 of 1,800,000,000,000 parameters active" in result.stdout.replace(
        "\n", " "
    )
    timed = predict("gpt3", "lenet-5", "--hardware", "a100", "--utilisation", "0.5")
    assert "days" in timed.stdout
    assert "times at 50% of peak" in timed.stdout


def test_files_describe_models_and_hardware_of_ones_own(tmp_path: Path) -> None:
    own, chip, out = (tmp_path / name for name in ("small.toml", "chip.toml", "out.json"))
    own.write_text('kind = "transformer"\n' + "\n".join(f"{name} = {value}" for name, value in SMALL.items()))
    chip.write_text("flops_per_s = 1e6\nmemory = 1e3\nbytes_per_s = 1e9\n")
    result = predict(own, "--hardware", chip, "--json", out)
    assert result.exit_code == 0, result.output
    (found,) = json.loads(out.read_text())["models"]
    # 2 blocks of 4 * 8 * 8 + 2 * 8 * 32 and two normalisations of 16; one more, and two embeddings.
    assert found["params"] == 2 * (256 + 512 + 32) + 16 + 160
    assert found["devices"] == 4
    assert "written:" in result.stdout


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('kind = "transformer"', "missing"),
        ('kind = "magic"', "expected one of transformer, convolutional, stated"),
        ('kind = "stated"\nparameters = 5\nactive_parameters = 6', "expected 1 to 5"),
        ('kind = "stated"\nparameters = 5\nactive_parameters = 5\ncolour = 3', "colour is no field"),
        ('kind = "convolutional"\ninput = [1, 4, 4]\nlayers = [["conv", 2, 5]]', "does not fit a side of 4"),
        ('kind = "convolutional"\ninput = [1, 4, 4]\nlayers = [["dense", 2], ["pool", 2, 2]]', "after a dense one"),
        ('kind = "convolutional"\ninput = [1, 4]\nlayers = []', "channels, height and width"),
        ('kind = "convolutional"\ninput = [1, 4, 4]\nlayers = [["dense"]]', "expected 1 to 1 numbers"),
        ('kind = "convolutional"\ninput = [1, 4, 4]\nlayers = [["loop", 1]]', "expected conv, pool or dense"),
        ("kind = ", "cannot be read"),
    ],
)
def test_a_file_that_describes_no_model_is_refused(tmp_path: Path, content: str, complaint: str) -> None:
    file = tmp_path / "own.toml"
    file.write_text(content)
    result = predict(file)
    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.split())


def test_what_cannot_be_is_refused() -> None:
    assert "there is no model 'gpt5'" in predict("gpt5").stderr
    assert "there is no hardware 'abacus'" in predict("gpt2", "--hardware", "abacus").stderr
    assert "more than the context of gpt2, 1,024" in predict("gpt2", "--rows", "1025").stderr
    for change, complaint in (
        ({"heads": 3}, "no multiple of heads"), ({"kv_heads": 4}, "no multiple of kv_heads"),
        ({"norm": "x"}, "norm is"), ({"layers": 0}, "at least 1"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=complaint):
            Transformer(**{**SMALL, **change})
    with pytest.raises(ValueError, match="utilisation is 0"):
        estimate(model("gpt2"), 1, utilisation=0)
    with pytest.raises(ValueError, match="memory is 0"):
        type(hardware("h100"))(name="x", flops_per_s=1, memory=0, bytes_per_s=1)
    with pytest.raises(ValueError, match="active_parameters"):
        Stated(parameters=1, active_parameters=2)
    with pytest.raises(ValueError, match="does not fit"):
        Convolutional(input=[1, 4, 4], layers=[["pool", 2, 0]])
