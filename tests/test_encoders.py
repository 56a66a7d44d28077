"""Rows that are filled up, and sequences that attend to another: what is not there has no part in anything.
test_encoders_elsewhere.py has the same beside PyTorch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import needs
import numba
import numpy as np
import pytest
from case import DTYPES

from fastnn import (
    BERT,
    Adam,
    Concatenate,
    CrossAttention,
    Dense,
    Embedding,
    EncoderDecoder,
    Flatten,
    Masking,
    Network,
    PositionEmbedding,
    SelfAttention,
    Slice,
    TransformerBlock,
    load,
)
from fastnn.kernels.masking import lengths_of, row_lengths_of

Array = Any


def encoder(positions: int, dtype: str, causal: bool = False) -> Network:
    block = TransformerBlock(2, 10, causal=causal)
    return Network(positions, [Masking(0), Embedding(7, 8), block, block, Dense(5)], dtype=dtype, seed=0)


def translator(dtype: str = "float64") -> Network:
    settings: dict[str, Any] = {"heads": 2, "hidden": 10}
    both = EncoderDecoder(
        5, [TransformerBlock(causal=False, **settings)], [TransformerBlock(cross=True, kv_heads=1, **settings)]
    )
    return Network(9, [Masking(0), Embedding(7, 8), both, Dense(7)], dtype=dtype, seed=0)


@pytest.mark.parametrize("filler", [0, 3])
def test_lengths_are_up_to_the_last_that_is_no_filler(filler: int) -> None:
    rows = np.array([[1, 2, 4], [1, filler, filler], [filler, 2, filler], [filler, filler, filler]], float)
    found = np.empty(4)
    lengths_of(found, rows, 0, 3, filler)
    assert found.tolist() == [3, 1, 2, 0]
    lengths_of(found, rows, 1, 3, filler)
    assert found.tolist() == [2, 0, 1, 0]


def test_lengths_of_positions_are_up_to_the_last_that_is_not_all_filler() -> None:
    rows = np.array([[[1, 2], [9, 4], [9, 9]], [[9, 9], [5, 9], [9, 9]], [[9, 9]] * 3, [[9, 9], [9, 9], [9, 1]]], float)
    found = np.empty(4)
    row_lengths_of(found, rows.reshape(4, -1), 2, 9)
    assert found.tolist() == [2, 2, 0, 3]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_filled_row_has_the_bits_of_a_short_one(dtype: str, causal: bool) -> None:
    long, ids = encoder(40, dtype, causal), np.random.default_rng(0).integers(1, 7, (3, 40))
    for length in (1, 2, 33, 39):
        short = encoder(length, dtype, causal)
        short.parameters = long.parameters
        filled = np.where(np.arange(40) < length, ids, 0)
        assert np.ascontiguousarray(long(filled)[:, :length]).tobytes() == short(ids[:, :length]).tobytes()


def test_a_row_of_fillers_alone_is_finite_and_teaches_nothing() -> None:
    net = encoder(6, "float64")
    ids = np.array([[1, 2, 3, 4, 5, 6], [0] * 6])
    labels = np.array([[1, 2, 3, 4, 0, 1], [-100] * 6])
    assert np.isfinite(net(ids)).all()
    both, alone = net.gradient(ids, labels), net.gradient(ids[:1], labels[:1])
    np.testing.assert_allclose(both, alone, rtol=0, atol=1e-15)


@needs.two_cores
@pytest.mark.parametrize("build", [lambda: encoder(64, "float32"), lambda: BERT(50, 64, 2, 64, 4, seed=0)])
def test_threads_change_no_bit(build: Any) -> None:
    net, rng = build(), np.random.default_rng(0)
    ids = np.where(np.arange(64) < rng.integers(0, 65, (40, 1)), rng.integers(1, 7, (40, 64)), 0)
    labels = rng.integers(0, 5, ids.shape)
    found = set()
    for threads in (1, 2):
        numba.set_num_threads(threads)
        found.add(net(ids).tobytes() + net.gradient(ids, labels).tobytes())
    assert len(found) == 1


def test_rows_do_not_depend_on_each_other() -> None:
    net = translator("float32")
    ids = np.random.default_rng(0).integers(0, 7, (9, 9))
    together = net(ids)
    for k in range(9):
        assert net(ids[k : k + 1]).tobytes() == together[k : k + 1].tobytes()


def test_a_decoder_sees_no_later_position_and_all_that_is_read() -> None:
    net, ids = translator(), np.random.default_rng(0).integers(1, 7, (1, 9))
    before = net(ids)
    later = ids.copy()
    later[0, 7] = ids[0, 7] % 6 + 1
    assert net(later)[0, :2].tobytes() == before[0, :2].tobytes()
    assert (net(later)[0, 2:] != before[0, 2:]).any(axis=1).all()
    for k in range(5):
        other = ids.copy()
        other[0, k] = ids[0, k] % 6 + 1
        assert (net(other)[0] != before[0]).any(axis=1).all()
    cut = ids.copy()
    cut[0, 3:5] = 0
    alone = net(cut)
    cut[0, 3] = 5  # now it is there
    assert (net(cut) != alone).any()


def test_an_encoder_and_decoder_learn_to_reverse() -> None:
    """The last of what is read comes first; what was written before is given."""
    tokens, length, rng = 8, 6, np.random.default_rng(0)
    both = EncoderDecoder(
        length, [TransformerBlock(4, 64, causal=False)], [TransformerBlock(4, 64, cross=True)]
    )  # fmt: skip
    net = Network(2 * length, [Embedding(tokens + 1, 32), PositionEmbedding(2 * length), both, Dense(tokens)], seed=0)

    def drawn(rows: int) -> tuple[Array, Array]:
        read = rng.integers(0, tokens, (rows, length))
        written = read[:, ::-1]
        return np.hstack([read, np.full((rows, 1), tokens), written[:, :-1]]), np.ascontiguousarray(written)

    trainer = net.trainer(Adam(3e-3), 64)
    for _ in range(400):
        trainer.step(*drawn(64))
    x, y = drawn(200)
    assert (net.predict(x) == y).mean() > 0.98
    # Written by itself, one token after the other.
    x[:, length + 1 :] = 0
    for k in range(length - 1):
        x[:, length + 1 + k] = net.predict(x)[:, k]
    assert (net.predict(x) == y).mean() > 0.95


@pytest.mark.parametrize("net", [encoder(6, "float32"), translator("float32"), BERT(9, 5, 1, 8, 2, classes=3, seed=0)])
def test_files_keep_them(net: Network, tmp_path: Path) -> None:
    net.save(tmp_path / "net.fastnn")
    again = load(tmp_path / "net.fastnn")
    ids = np.random.default_rng(0).integers(0, 7, (2, *net.input_shape))
    assert again.layers == net.layers
    assert again(ids).tobytes() == net(ids).tobytes()


def test_the_counts_of_bert_are_those_of_its_paper() -> None:
    """To the number those of the released base, without its two segments and with two classes."""
    assert BERT(30522, 512, 12, 768, 12, classes=2, seed=0).parameter_count == 109_482_240 - 2 * 768 + 2 * 768 + 2


def test_branches_begin_with_one_mask_and_must_end_with_one() -> None:
    """What a slice in one branch takes is no business of the next."""

    def net(*branches: Any) -> Network:
        return Network(4, [Masking(0), Embedding(7, 8), Concatenate(*branches), Flatten(), Dense(3)], seed=0)

    attend = SelfAttention(2, causal=False)
    both = net([attend], [TransformerBlock(2, causal=False)])
    assert len([each for each in both.operations if each.owner == "Masking"]) == 1
    with pytest.raises(ValueError, match="of other positions in each branch"):
        net([Slice(2, 4), attend], [Slice(0, 2), attend])


REFUSED: list[tuple[Any, Any, str]] = [
    (6, [Embedding(7, 8), Masking(0)], "layer 1 is Masking, which reads the ids (T,) or positions (T, F) of a"),
    ((6, 4, 1), [Masking(0)], "layer 0 is Masking"),
    ((6, 4), [Masking(0), Slice(0, 2)], "layer 0 is Masking of positions of features, of which all are read"),
    (6, [Embedding(7, 8), CrossAttention(2)], "layer 1 attends to another sequence; expected it in the decoder"),
    (6, [Embedding(7, 8), TransformerBlock(2, cross=True)], "layer 1.1.1 attends to another sequence"),
    (6, [Embedding(7, 8), Slice(4, 2)], "layer 1 is Slice(start=4, stop=2) of 6 positions; expected one of them"),
    (6, [Embedding(7, 8), EncoderDecoder(6, [], [])], "layer 1 reads 6 positions of features and writes those behind"),
    (6, [Embedding(7, 8), EncoderDecoder(3, [Flatten()], [])], "layer 1 has an encoder that gives (24,)"),
    ((6, 8, 3), [Slice(1)], "layer 0 takes positions of features (T, C), or of ids (T,); (6, 8, 3) comes"),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "layers", "said"), REFUSED, ids=[said[:40] for *_, said in REFUSED])
def test_what_does_not_fit_is_named(shape: Any, layers: Any, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Network(shape, layers)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Masking(-1), "filler"),
        (lambda: CrossAttention(4, kv_heads=3), "kv_heads is 3; expected a divisor of heads, 4"),
        (lambda: Slice(1.5), "start is 1.5; expected a whole number"),
        (lambda: EncoderDecoder(0, [], []), "source"),
        (lambda: EncoderDecoder(2, Dense(3), []), "encoder is Dense"),
        (lambda: TransformerBlock(2, cross=1), "cross is 1; expected True or False"),
    ],
)
def test_settings_are_checked(make: Any, said: str) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        make()


def test_generation_says_which_layer_it_cannot_run() -> None:
    with pytest.raises(ValueError, match="Masking, which does not compute one position after the other"):
        encoder(6, "float32", causal=True).generate([1, 2], 2)


@pytest.mark.parametrize("layers", [[Slice(1)], [EncoderDecoder(2, [], [CrossAttention(2)])]])
def test_generation_says_that_several_positions_are_needed(layers: Any) -> None:
    net = Network(4, [Embedding(7, 8), *layers, Dense(7)], seed=0)
    with pytest.raises(ValueError, match="does not compute one position after the other"):
        net.generate([1, 2], 1)


def test_positions_of_a_slice_are_those_that_are_there() -> None:
    """Attention behind a slice sees what is there of it."""
    layers = [Masking(0), Embedding(7, 8), Slice(2, 6), SelfAttention(2, causal=False), Flatten(), Dense(3)]
    net = Network(8, layers, seed=0)
    ids = np.array([[1, 2, 3, 4, 0, 0, 0, 0]])
    short = Network(2, [Embedding(7, 8), SelfAttention(2, causal=False)], initialize=False)
    short.parameters = net.parameters[: short.parameters.size]
    before = Network(8, [*layers[:4]], initialize=False)
    before.parameters = short.parameters
    assert before(ids)[:, :2].tobytes() == short(ids[:, 2:4]).tobytes()
