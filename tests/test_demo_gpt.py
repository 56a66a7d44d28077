"""The demonstrations of language models: what they say is what the network computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demos import numbers, run, shown

import fastnn
from fastnn import GPT, Network
from fastnn.demo import gpt, inside_gpt, llm, small_gpt
from fastnn.demo.display.demonstration import Drawing, Table
from fastnn.language.model import LanguageModel
from fastnn.language.vocabulary import Characters

IDS = [3, 1, 4, 1, 5]


@pytest.fixture(params=[{}, {"tied": False, "bias": False}, {"norm": "rms"}], ids=str)
def network(request: pytest.FixtureRequest) -> Network:
    found = GPT(9, 8, 3, 16, 2, dtype="float64", seed=0, **request.param)
    found.parameters[:] += np.random.default_rng(0).normal(0, 0.2, len(found.parameters))
    return found


def test_what_the_head_makes_of_all_layers_is_the_networks_output(network: Network) -> None:
    x = np.array([[*IDS, 0, 0, 0]])
    found = inside_gpt.guesses(network, len(network.layers) - 2, IDS)
    np.testing.assert_array_equal(found, network(x)[0, : len(IDS)])


def test_where_heads_look_and_the_values_there_are_what_attention_adds(network: Network) -> None:
    place, named = inside_gpt.blocks(network)[1], network.named_parameters
    looks = inside_gpt.attention(network, place, IDS)
    assert looks.shape == (2, len(IDS), len(IDS))
    np.testing.assert_allclose(looks.sum(axis=2), 1, rtol=1e-14)
    assert not looks[:, ~np.tri(len(IDS), dtype=bool)].any()
    # The block without its dense layers adds the attention alone.
    way: Any = network.layers[place].layers(16)[0]  # type: ignore[attr-defined]
    moved = {str(place): f"{place}.0"}
    alone = inside_gpt.outputs(inside_gpt._made_of(network, place, [way], moved, "mse"), IDS)
    before = inside_gpt.vectors(network, place, IDS)
    normal = inside_gpt.outputs(
        inside_gpt._made_of(network, place, [way.layers[0]], {str(place): f"{place}.0.0"}, "mse"), IDS
    )
    bias = {name: named.get(f"{place}.0.1.{name}.bias", 0.0) for name in ("qkv", "out")}
    v = (normal @ named[f"{place}.0.1.qkv.weight"] + bias["qkv"])[:, 32:].reshape(len(IDS), 2, 8)
    seen = np.einsum("hqk,khs->qhs", looks, v).reshape(len(IDS), 16)
    np.testing.assert_allclose(alone - before, seen @ named[f"{place}.0.1.out.weight"] + bias["out"], atol=1e-12)


def test_what_attention_cannot_show_is_named() -> None:
    with pytest.raises(ValueError, match="not those of a GPT"):
        inside_gpt.attention(GPT(9, 8, 1, 16, 2, rotary=10000.0), 1, IDS)


def test_costs_are_all_of_the_network() -> None:
    network = GPT(9, 8, 3, 16, 2)
    parts = llm.costs(network)
    assert sum(count for count, _ in parts.values()) == network.parameter_count
    assert sum(macs for _, macs in parts.values()) == network.cost(1).forward.macs


def test_a_prompt_goes_through_the_model() -> None:
    found = numbers("llm")
    assert found["parameters"] == 107_264
    assert len(found["ids"]) == len(found["prompt"])
    probabilities = [each["probability"] for each in found["most_probable"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert len(found["text"]) == 60
    tables = [block for section in shown("llm").sections for block in section.blocks if isinstance(block, Table)]
    assert any("gpt4, an estimate" in row[0] for table in tables for row in table.rows)


def test_it_learns_more_than_pairs() -> None:
    found = numbers("gpt")
    last = found["records"][-1]
    assert last["val_loss"] < found["bigram_nats"] - 0.3
    assert [each["temperature"] for each in found["samples"]] == [0, 0.5, 1, 2]
    looks = np.array(found["attention"])
    assert looks.shape == (2, 4, 12, 12)


def test_pairs_counted() -> None:
    # After 0 comes 1 two times of three, and 0 once; after 1 always 0.
    ids = np.array([0, 1, 0, 0, 1, 0, 1][:6], np.uint8)
    right = -(2 * np.log(2 / 3) + np.log(1 / 3)) / 5
    assert small_gpt.bigram_nats(ids, 2) == pytest.approx(right, rel=1e-14)


def test_shades_go_from_nothing_to_all() -> None:
    assert gpt.shaded(np.array([0, 0.099, 0.5, 1.0])) == "  +@"


def test_a_text_keeps_its_lines_and_long_ones_are_folded() -> None:
    found = small_gpt.written_out("a\n\n" + "b" * 100)
    assert isinstance(found, Drawing)
    assert found.lines == ("| a", "| ", "| " + "b" * 76, "| " + "b" * 24)


def test_a_model_of_ones_own_is_looked_at(tmp_path: Path) -> None:
    vocabulary = Characters("abcdefgh ")
    LanguageModel(GPT(9, 8, 1, 16, 2, seed=0), vocabulary).save(tmp_path / "own.safetensors")
    result = run("llm", "--model", str(tmp_path / "own.safetensors"), "--prompt", "abc", "--tokens", "5")
    assert result.exit_code == 0
    assert "9 tokens, and looks at 8" in result.stdout
    for prompt, told in (("", "0 tokens"), ("abcdefghabc", "11 tokens"), ("xyz", "'x'")):
        refused = run("llm", "--model", str(tmp_path / "own.safetensors"), "--prompt", prompt)
        assert refused.exit_code == 2
        assert told in refused.stderr
    fastnn.mlp(3, 2).save(tmp_path / "other.safetensors")
    assert run("llm", "--model", str(tmp_path / "other.safetensors")).exit_code == 2
    LanguageModel(GPT(9, 8, 1, 16, 2, rotary=10000.0), vocabulary).save(tmp_path / "rotary.safetensors")
    refused = run("llm", "--model", str(tmp_path / "rotary.safetensors"), "--prompt", "abc")
    assert "fastnn train --text" in refused.stderr


def test_a_text_of_ones_own_is_learned_from(tmp_path: Path) -> None:
    file = tmp_path / "own.txt"
    file.write_text("abc def " * 200, encoding="utf-8")
    result = run(
        "gpt", "--text", str(file), "--steps", "40", "--prompt", "abc d", "--tokens", "3", "--temperatures", "0"
    )
    assert result.exit_code == 0
    assert "| abc def " in result.stdout
    for arguments, told in (
        (["--text", str(tmp_path / "none.txt")], "none.txt"),
        (["--text", str(file), "--prompt", "xyz"], "'x'"),
        (["--text", str(file), "--steps", "1", "--prompt", "abc", "--temperatures", "-1"], "temperatures"),
    ):
        refused = run("gpt", *arguments)
        assert refused.exit_code == 2
        assert told in refused.stderr
