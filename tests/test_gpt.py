"""Language models: what they count, how they begin, what they refuse, and that they learn."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest

import fastnn
from fastnn import (
    GPT,
    Adam,
    Dense,
    Embedding,
    LayerNorm,
    Linear,
    Network,
    PositionEmbedding,
    Residual,
    RMSNorm,
    SelfAttention,
    TiedHead,
    TransformerBlock,
)

RNG = np.random.default_rng(0)


def small(**settings: Any) -> Network:
    return GPT(11, 8, 2, 12, 3, seed=0, **({"dtype": "float64"} | settings))


@pytest.mark.parametrize(
    ("network", "count"),
    [
        (lambda: GPT(65, 64, 4, 128, 4, bias=False), 804_096),  # nanoGPT's character model on a CPU
        (lambda: GPT(65, 256, 6, 384, 6, bias=False), 10_745_088),  # and on a GPU
        (lambda: GPT(27, 16, 4, 64, 4, tied=False), 204_544),  # makemore's transformer
        (lambda: GPT(10, 6, 3, 48, 3, tied=False), 86_160),  # minGPT's adder
    ],
    ids=["nanoGPT-CPU", "nanoGPT-GPU", "makemore", "minGPT"],
)
def test_parameters_are_as_many_as_published(network: Any, count: int) -> None:
    assert network().parameter_count == count


def test_gpt2_has_its_parameters_and_multiply_adds() -> None:
    """124,439,808; counted, as its 500 MB are not needed for it."""
    block = TransformerBlock(12, activation="gelu_tanh")
    layers = [Embedding(50257, 768), PositionEmbedding(1024), *[block] * 12, LayerNorm(), TiedHead()]
    operations = fastnn.layers.operations_of(layers, (1024,))
    assert sum(operation.parameter_count for operation in operations) == 124_439_808
    attended = [each for each in operations if each.name.endswith("attend")]
    others = [each for each in operations if not each.name.endswith("attend")]
    # Each matrix once a position, the head's too; scores and sums of the 1,024 * 1,025 / 2 pairs that are seen.
    assert sum(each.forward_cost(1, 4).macs for each in others) == 1024 * (12 * 12 * 768**2 + 50257 * 768)
    assert sum(each.forward_cost(1, 4).macs for each in attended) == 12 * 2 * 768 * 1024 * 1025 // 2


def test_a_step_of_nanogpts_model_has_the_published_multiply_adds() -> None:
    network = GPT(65, 64, 4, 128, 4, bias=False)
    step = network.cost(12)
    products = 610_369_536  # of matrices; attention has 25,559,040 of what is seen, and makes its scores again backward
    assert step.forward.macs == products + 25_559_040
    assert step.backward.macs == 2 * products + 25_559_040 * 5 // 2


@pytest.mark.parametrize("settings", [{}, {"tied": False}, {"norm": "rms", "kv_heads": 1, "bias": False}])
def test_it_begins_as_uncertain_as_it_can_be(settings: Any) -> None:
    x = RNG.integers(0, 11, (40, 8))
    assert small(**settings).loss(x, RNG.integers(0, 11, (40, 8))) == pytest.approx(math.log(11), abs=0.02)


def test_weights_begin_as_gpt2s() -> None:
    named = GPT(500, 64, 8, 128, 4, seed=0).named_parameters
    assert np.std(named["0.weight"]) == pytest.approx(0.02, rel=0.02)
    assert np.std(named["2.0.1.qkv.weight"]) == pytest.approx(0.02, rel=0.02)
    for name in ("2.0.1.out.weight", "2.1.2.weight"):
        assert np.std(named[name]) == pytest.approx(0.02 / 4, rel=0.02)
    assert not named["2.1.1.bias"].any()
    assert (named["2.0.0.weight"] == 1).all()


@pytest.mark.parametrize(
    "network",
    [
        small(),
        small(tied=False, kv_heads=1, norm="rms", activation="silu"),
        Network(
            5, [Embedding(7, 6), TransformerBlock(2, 9, causal=False, norm_first=False), Dense(7)], dtype="float64"
        ),
    ],
    ids=["gpt", "llama-like", "post-norm"],
)
def test_gradients_are_those_of_differences(network: Network) -> None:
    positions, classes = network.output_shape
    x, y = RNG.integers(0, 7, (3, positions)), RNG.integers(0, classes, (3, positions))
    y[0, -2:] = -100
    gradient = network.named(network.gradient(x, y))
    for name, values in network.named_parameters.items():
        for _ in range(4):
            at = tuple(RNG.integers(0, size) for size in values.shape)
            before, losses = values[at], []
            for moved in (before + 1e-5, before - 1e-5):
                values[at] = moved
                losses.append(network.loss(x, y))
            values[at] = before
            assert gradient[name][at] == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-6, abs=1e-9), name


def test_it_learns_what_follows() -> None:
    """Two sequences that part at their first token."""
    x = np.array([[1, 2, 3, 4, 5, 6, 7, 8], [9, 8, 7, 6, 5, 4, 3, 2]])
    y = np.concatenate([x[:, 1:], x[:, :1]], axis=1)
    network = small(dtype="float32")
    history = network.fit(x, y, epochs=150, batch=2, optimizer=Adam(0.01, schedule=Linear(150)), seed=0, progress=False)
    assert history.accuracy[-1] == 1
    assert history.loss[-1] < 0.1 < history.loss[0]


def test_it_comes_back_from_a_file(tmp_path: Path) -> None:
    network, x = small(dropout=0.1, kv_heads=1), RNG.integers(0, 11, (3, 8))
    network.save(tmp_path / "net.safetensors")
    again = fastnn.load(tmp_path / "net.safetensors")
    assert again.layers == network.layers
    assert again(x).tobytes() == network(x).tobytes()


@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=needs.two_cores)])
def test_threads_and_batches_change_no_bit(threads: int) -> None:
    x = RNG.integers(0, 65, (12, 64))
    network = GPT(65, 64, 2, 64, 4, seed=0)
    whole = network(x)
    before = fastnn.get_num_threads()
    fastnn.set_num_threads(threads)
    try:
        assert network(x).tobytes() == whole.tobytes()
        assert network(x[3:4]).tobytes() == whole[3:4].tobytes()
    finally:
        fastnn.set_num_threads(before)


# Refusals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "told"),
    [(11, r"x\[1, 3\] is 11; expected ids of a vocabulary of 11"), (-1, "is -1"), (1.5, "is 1.5"), (np.nan, "is nan")],
)
def test_ids_are_checked_where_they_come_in(wrong: float, told: str) -> None:
    network, x = small(), np.ones((2, 8))
    x[1, 3] = wrong
    y = np.ones((2, 8), int)
    for call in (lambda: network(x), lambda: network.loss(x, y), lambda: network.fit(x, y, progress=False),
                 lambda: network.trainer(batch=2).step(x, y)):  # fmt: skip
        with pytest.raises(ValueError, match=told):
            call()


@pytest.mark.parametrize("wrong", [11, -1])
@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_an_id_that_is_none_is_refused_where_its_label_is_ignored(wrong: int, dtype: Any) -> None:
    network = fastnn.GPT(11, 8, 1, 8, 2, seed=0)
    trainer, x, y = network.trainer(batch=2), np.ones((2, 8), dtype), np.ones((2, 8), int)
    x[1, 3], y[1, 3] = wrong, -100
    before = network.parameters.copy()
    with pytest.raises(ValueError, match=r"x\[1, 3\] is"):
        trainer.step(x, y)
    with pytest.raises(ValueError, match=r"x\[1, 3\] is"):
        trainer.forward(x)
    assert network.parameters.tobytes() == before.tobytes()


@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=needs.two_cores)])
def test_a_batch_that_comes_short_has_room_in_the_head(threads: int) -> None:
    """Products of fewer rows may need more scratch than those of all."""
    rng, made = np.random.default_rng(0), list[Any]()
    x, y = rng.integers(0, 128, (2, 112, 1))
    before = fastnn.get_num_threads()
    fastnn.set_num_threads(threads)
    try:
        for whole in (True, False):
            network = Network(1, [Embedding(128, 1024, 0.02), TiedHead()], seed=0)
            trainer = network.trainer(fastnn.SGD(1.0), 64)
            if whole:
                trainer.epoch(trainer.hold(x, y), np.arange(112))
            else:
                for rows in (slice(0, 64), slice(64, 112)):
                    network.trainer(fastnn.SGD(1.0), len(x[rows])).step(x[rows], y[rows])
            made.append(network.parameters.copy())
    finally:
        fastnn.set_num_threads(before)
    assert made[0].tobytes() == made[1].tobytes()


def test_kernels_read_nothing_outside_of_the_table() -> None:
    """A user's own loop checks nothing; its loss is NaN, and nothing is learnt."""
    trainer = small().trainer(batch=2)
    x = np.full((2, 8), 1e12)
    before = trainer.params.copy()
    loss = fastnn.training.train_step(*trainer.arrays[:5], x, np.ones((2, 8), np.int64), trainer.workspace)
    assert math.isnan(loss)
    np.testing.assert_array_equal(trainer.params, before)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Embedding(0, 4), "vocabulary"),
        (lambda: Embedding(2**24 + 1, 4), "expected at most 16,777,216"),
        (lambda: Embedding(4, 4, -1.0), "initializer"),
        (lambda: Network(9, [Embedding(4, 6), PositionEmbedding(8)]), "rows have 9 positions; .* has 8"),
        (lambda: Network(9, [PositionEmbedding(8)]), r"takes positions of features \(T, C\)"),
        (lambda: SelfAttention(4, kv_heads=3), "expected a divisor of heads, 4"),
        (lambda: Network((5, 6), [SelfAttention(4)]), "4 heads and takes 6 features"),
        (lambda: Network(6, [SelfAttention(3)]), r"rows of \(T, C\)"),
        (lambda: Network(5, [Embedding(4, 6), TiedHead("1")]), "expected the name of an Embedding"),
        (lambda: Network(5, [Embedding(4, 6), Dense(5), TiedHead()]), "takes 5 features, .* gives 6"),
        (lambda: TransformerBlock(2, norm="batch"), "norm"),
        (lambda: TransformerBlock(2, activation="swish"), "activation"),
        (lambda: GPT(5, 4, 0, 6, 2), "layers"),
    ],
)
def test_what_cannot_be_is_refused(make: Any, told: str) -> None:
    with pytest.raises((ValueError, TypeError), match=told):
        make()


def test_what_a_gpu_has_no_kernels_for_is_named() -> None:
    with pytest.raises(ValueError, match="layer 0 is Embedding, and device='cuda' runs Dense"):
        Network(8, [Embedding(11, 12), Dense(11)], device="cuda")


def test_norms_without_weights_and_biases() -> None:
    x = RNG.normal(size=(5, 6))
    bare = Network(6, [RMSNorm(1e-5, weight=False)], loss="mse", dtype="float64")
    assert bare.parameter_count == 0
    np.testing.assert_allclose(bare(x), x / np.sqrt((x**2).mean(1, keepdims=True) + 1e-5), rtol=1e-14)
    assert list(Network(6, [LayerNorm(bias=False)], loss="mse").named_parameters) == ["0.weight"]
    around = Network(6, [Residual(RMSNorm(weight=False), Dense(6))], loss="mse", dtype="float64", seed=0)
    y, values = RNG.normal(size=(5, 6)), around.named_parameters["0.1.weight"]
    slope = around.named(around.gradient(x, y))["0.1.weight"][2, 3]
    losses = []
    for moved in (1e-6, -2e-6):
        values[2, 3] += moved
        losses.append(around.loss(x, y))
    assert slope == pytest.approx((losses[0] - losses[1]) / 2e-6, rel=1e-5)
