"""Recurrent layers: PyTorch's own values, its modules both ways, bits of threads, steps and lengths, what they learn.
fastnn.reference.recurrent has the cases that every operation is held to."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import needs
import numba
import numpy as np
import pytest
from case import DTYPES
from numba.core.runtime import _nrt_python, rtsys

from fastnn import (
    GRU,
    LSTM,
    RNN,
    Adam,
    Conv1d,
    Decoder,
    Dense,
    Embedding,
    Masking,
    MaxPool1d,
    Network,
    Slice,
    from_torch,
    load,
    to_torch,
)
from fastnn.compiler.jit import most_threads
from fastnn.kernels.recurrent import GATES
from fastnn.layers.recurrent import CELLS
from fastnn.lowering.spanning import LOCAL_SPANS
from fastnn.tape import columns, decode

Array = Any
# With all states, each cell.
CELLS_OF = {
    "tanh": lambda units, **settings: RNN(units, **settings),
    "relu": lambda units, **settings: RNN(units, activation="relu", **settings),
    "lstm": lambda units, **settings: LSTM(units, **settings),
    "gru": lambda units, **settings: GRU(units, **settings),
    "gru_before": lambda units, **settings: GRU(units, reset_after=False, **settings),
}


def drawn(net: Network) -> Network:
    rng = np.random.default_rng(1)
    for values in net.named_parameters.values():
        values += rng.normal(0, 0.3, values.shape)
    return net


def rows(*shape: int, dtype: str = "float32") -> Array:
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


def allocations(call: Any) -> int:
    """Of Numba's run time, in a call."""
    _nrt_python.memsys_enable_stats()
    before = rtsys.get_allocation_stats().alloc
    call()
    return int(rtsys.get_allocation_stats().alloc - before)


def test_the_values_that_pytorchs_own_tests_have() -> None:
    """CheckOutputValuesMatchPyTorch of its C++ tests: 3 positions of 4 rows, every parameter tensor arange(n) / n."""
    net = Network((3, 2), [LSTM(2)], loss="mse", dtype="float64", seed=0)
    for values in net.named_parameters.values():
        there = np.arange(values.size) / values.size
        values[...] = there.reshape(values.shape[::-1]).T
    x = ((24 - np.arange(24)) / 24).reshape(3, 4, 2).transpose(1, 0, 2)
    decoder = Decoder(net, 4)
    y = np.stack([decoder.step(x[:, t]).copy() for t in range(3)])
    assert np.array_equal(y.transpose(1, 0, 2), net(x))
    right = [
        0.4391, 0.5402, 0.4330, 0.5324, 0.4261, 0.5239, 0.4183, 0.5147, 0.6822, 0.8064, 0.6726, 0.7968,
        0.6620, 0.7860, 0.6501, 0.7741, 0.7889, 0.9003, 0.7769, 0.8905, 0.7635, 0.8794, 0.7484, 0.8666,
    ]  # fmt: skip
    np.testing.assert_allclose(y.ravel(), right, atol=1e-4)


@pytest.mark.parametrize("name", CELLS)
def test_parameters_are_those_of_the_books(name: str) -> None:
    """Of each gate (I + H) H and two biases, in each direction; more layers read both."""
    gates = GATES[CELLS.index(name)]
    net = Network((5, 3), [CELLS_OF[name](7, layers=2, bidirectional=True)], loss="mse", seed=0)
    first, second = (2 * gates * 7 * (inputs + 7 + 2) for inputs in (3, 14))
    assert net.parameter_count == first + second
    assert net.output_shape == (5, 14)


def test_threads_take_spans_of_as_many_rows_as_a_tile() -> None:
    """However long the sequences are: of 1,024 positions a span would be one row otherwise."""
    for positions in (20, 1024):
        net = Network((positions, 3), [GRU(8, return_sequences=False), Dense(2)], seed=0)
        tape = net.plan(40).tape
        assert tape[0, columns.SPAN_ROWS] == 8
        assert tape[0, columns.GROUP] == min(5, LOCAL_SPANS * most_threads())


def test_a_first_state_of_zeros_is_not_multiplied() -> None:
    """64 positions of 32 rows, 128 to 256 units: forward 796,917,760 for the 805,306,368 that PyTorch multiplies."""
    found = Network((64, 128), [LSTM(256)], loss="mse", seed=0).cost(32)
    assert found.forward.macs == 796_917_760


@needs.two_cores
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CELLS)
def test_threads_change_no_bit(name: str, dtype: str) -> None:
    x, y, found = rows(21, 12, 8, dtype=dtype), np.random.default_rng(0).integers(0, 3, 21), set()
    for threads in (1, 2):
        numba.set_num_threads(threads)
        layer = CELLS_OF[name](40, bidirectional=True, return_sequences=False)
        net = Network((12, 8), [layer, Dense(3)], dtype=dtype, seed=0)
        trainer = net.trainer("adam", 21)
        for _ in range(2):
            trainer.step(x, y)
        found.add(net.parameters.tobytes() + net(x).tobytes())
    assert len(found) == 1


@pytest.mark.parametrize("name", CELLS)
def test_rows_do_not_depend_on_each_other(name: str) -> None:
    net, x = drawn(Network((6, 5), [CELLS_OF[name](20, layers=2)], loss="mse", seed=0)), rows(11, 6, 5)
    together = net(x)
    for k in range(11):
        assert net(x[k : k + 1]).tobytes() == together[k : k + 1].tobytes()


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("name", CELLS)
def test_a_step_at_a_time_has_the_bits_of_the_whole(name: str, batch: int) -> None:
    """Twice, the second time from the beginning again; with biases and without."""
    for bias in (True, False):
        net = drawn(Network((7, 3), [CELLS_OF[name](20, layers=2, bias=bias), Dense(2)], loss="mse", seed=0))
        x, decoder = rows(batch, 7, 3), Decoder(net, batch)
        for _ in range(2):
            y = np.stack([decoder.step(x[:, t]).copy() for t in range(7)], axis=1)
            assert y.tobytes() == net(x).tobytes()
            decoder.reset()


@needs.compiled_kernels
@pytest.mark.parametrize("name", CELLS)
def test_steps_in_a_loop_of_ones_own_have_the_bits_of_the_whole_and_allocate_nothing(name: str) -> None:
    """As a controller in a simulation makes them; what Numba counts for the arrays of a call does not grow."""

    @numba.njit
    def run(times, tape, params, x, workspace, at, y):  # type: ignore[no-untyped-def]
        for _ in range(times):
            for t in range(len(x)):
                decode(tape, params, x[t], workspace, t)
                for j in range(y.shape[1]):
                    y[t, j] = workspace[at + j]

    net = drawn(Network((7, 3), [CELLS_OF[name](20, layers=2), Dense(2)], loss="mse", seed=0))
    x, decoder = rows(1, 7, 3), Decoder(net)
    y, at = np.zeros((7, 2), np.float32), int(decoder.tape[0, columns.OUTPUT_AT])
    arguments = decoder.tape, net.parameters, np.ascontiguousarray(x.transpose(1, 0, 2)), decoder.workspace, at, y
    run(1, *arguments)
    assert y.tobytes() == net(x).tobytes()
    assert allocations(lambda: run(100, *arguments)) == allocations(lambda: run(1, *arguments))


@needs.compiled_kernels
@pytest.mark.parametrize("name", CELLS)
def test_a_step_of_training_allocates_nothing(name: str) -> None:
    """Of several spans, on one thread: numba's own loops over threads are not fastnn's."""
    numba.set_num_threads(1)
    net = Network((6, 3), [CELLS_OF[name](10, bidirectional=True, return_sequences=False), Dense(2)], seed=0)
    trainer, x, y = net.trainer("adam", 20), rows(20, 6, 3), np.arange(20) % 2
    trainer.step(x, y)
    assert allocations(lambda: trainer.step(x, y)) == 0


def test_a_direction_that_begins_at_the_end_cannot_go_step_by_step() -> None:
    with pytest.raises(ValueError, match="from the last position to the first"):
        Decoder(Network((7, 3), [LSTM(4, bidirectional=True)], loss="mse", seed=0))


@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("name", CELLS)
def test_a_filled_row_is_the_short_one(name: str, sequences: bool) -> None:
    """Its states to the bit, and the gradient of its loss; what fills it is 0, and a row of fillers alone the first
    state. Of a padded batch the gradient is the mean of the rows' own."""
    layers = [Masking(), Embedding(9, 4), CELLS_OF[name](5, bidirectional=True, return_sequences=sequences)]
    net = drawn(Network((6,), layers, loss="mse", dtype="float64", seed=0))
    ids = np.array([[3, 4, 5, 0, 0, 0], [1, 2, 3, 4, 5, 6], [0, 0, 0, 0, 0, 0], [7, 0, 0, 0, 0, 0]])
    found = net(ids)
    for row, length in zip(range(4), (3, 6, 0, 1), strict=True):
        if length == 0:
            assert not found[row].any()
            continue
        short = Network((length,), layers, loss="mse", dtype="float64", seed=0)
        short.parameters = net.parameters
        right = short(ids[row : row + 1, :length])
        assert (found[row, :length] if sequences else found[row]).tobytes() == right.tobytes()
        if sequences:
            assert not found[row, length:].any()
    target = np.random.default_rng(0).normal(size=found.shape)
    alone = sum(net.gradient(ids[k : k + 1], target[k : k + 1]) for k in range(4)) / 4
    np.testing.assert_allclose(net.gradient(ids, target), alone, atol=1e-13)


@pytest.mark.parametrize("name", CELLS)
def test_a_filled_row_of_features_is_the_short_one(name: str) -> None:
    """Through two layers, of which the first gives each position; the gradient is that of the rows alone."""
    layers = [Masking(99), CELLS_OF[name](5), CELLS_OF[name](4, return_sequences=False), Dense(2)]
    net = drawn(Network((6, 3), layers, loss="mse", dtype="float64", seed=0))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 6, 3))
    lengths = (3, 6, 0, 1)
    for row, length in enumerate(lengths):
        x[row, length:] = 99
    x[1, 3] = 99  # between others it is there
    x[0, 2, 2] = 99  # in one feature alone
    found, alone = net(x), []
    target = rng.normal(size=found.shape)
    for row, length in enumerate(lengths):
        if length:
            short = Network((length, 3), layers, loss="mse", dtype="float64", seed=0)
            short.parameters = net.parameters
            assert found[row].tobytes() == short(x[row : row + 1, :length]).tobytes()
            alone.append(short.gradient(x[row : row + 1, :length], target[row : row + 1]))
    assert len(alone) == 3
    alone.append(net.gradient(x[2:3], target[2:3]))
    np.testing.assert_allclose(net.gradient(x, target), sum(alone) / 4, atol=1e-13)


def test_windows_over_what_may_not_be_there_are_refused() -> None:
    for layer in (Conv1d(4, 3), MaxPool1d(2)):
        with pytest.raises(ValueError, match="reads positions beside its own"):
            Network((6,), [Masking(), Embedding(9, 4), layer, GRU(5, return_sequences=False)], loss="mse")


def test_what_fills_a_row_does_not_matter() -> None:
    """Not even NaN in the embedding of a filler that the state never saw."""
    net = drawn(Network((5,), [Masking(), Embedding(9, 4), GRU(6), Slice(0, 2)], loss="mse", seed=0))
    before = net(np.array([[3, 4, 0, 0, 0]]))
    net.named_parameters["1.weight"][0] = np.nan
    assert net(np.array([[3, 4, 0, 0, 0]])).tobytes() == before.tobytes()


@pytest.mark.parametrize("name", CELLS)
def test_files_give_it_back(name: str, tmp_path: Path) -> None:
    layer = CELLS_OF[name](5, layers=2, bidirectional=True, return_sequences=False, dropout=0.2)
    net = drawn(Network((6, 3), [layer, Dense(2)], seed=0))
    net.save(tmp_path / "net.fastnn")
    again = load(tmp_path / "net.fastnn")
    assert again.layers == net.layers
    assert again(rows(3, 6, 3)).tobytes() == net(rows(3, 6, 3)).tobytes()


def any_layer(rng: np.random.Generator, sequences: bool) -> Any:
    name = str(rng.choice(["tanh", "relu", "lstm", "gru"]))
    return CELLS_OF[name](
        int(rng.integers(1, 20)), layers=int(rng.integers(1, 4)), bidirectional=bool(rng.integers(2)),
        bias=bool(rng.integers(2)), return_sequences=sequences,
    )  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(30))
def test_random_networks_are_pytorchs_in_float64(seed: int) -> None:
    """Two in a row: outputs, every gradient, and back to the bit."""
    torch: Any = needs.package("torch")
    rng = np.random.default_rng(seed)
    shape, classes = (int(rng.integers(1, 12)), int(rng.integers(1, 9))), 3
    layers = [any_layer(rng, True), any_layer(rng, False), Dense(classes)]
    net = drawn(Network(shape, layers, dtype="float64", seed=0))
    module, x, y = to_torch(net), rng.normal(size=(5, *shape)), rng.integers(0, classes, 5)
    output = module(torch.tensor(x))
    np.testing.assert_allclose(net(x), output.detach(), atol=1e-10)
    torch.nn.functional.cross_entropy(output, torch.tensor(y)).backward()
    again = from_torch(module, input_shape=shape)
    assert again.layers == net.layers
    assert again.parameters.tobytes() == net.parameters.tobytes()
    for parameter in module.parameters():
        parameter.data = parameter.grad
    np.testing.assert_allclose(net.gradient(x, y), from_torch(module, input_shape=shape).parameters, atol=1e-10)


@pytest.mark.thorough
def test_what_pytorch_is_given_can_be_pickled() -> None:
    torch: Any = needs.package("torch")
    module = to_torch(drawn(Network((5, 3), [LSTM(4, return_sequences=False), Dense(2)], seed=0)))
    again, x = pickle.loads(pickle.dumps(module)), torch.tensor(rows(2, 5, 3))
    assert torch.equal(module(x), again(x))


@pytest.mark.thorough
def test_pytorchs_own_module_is_read_as_its_first_result() -> None:
    torch: Any = needs.package("torch")
    module = torch.nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True).double()
    net, x = from_torch(module, "mse", input_shape=(7, 3)), rows(2, 7, 3, dtype="float64")
    np.testing.assert_allclose(net(x), module(torch.tensor(x))[0].detach(), atol=1e-12)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("settings", "said"), [({}, "batch_first"), ({"batch_first": True, "proj_size": 2}, "proj_size")]
)
def test_what_pytorchs_has_more_is_named(settings: dict[str, Any], said: str) -> None:
    torch: Any = needs.package("torch")
    with pytest.raises(ValueError, match=said):
        from_torch(torch.nn.LSTM(3, 4, **settings), "mse", input_shape=(7, 3))
    with pytest.raises(ValueError, match="resets after"):
        to_torch(Network((7, 3), [GRU(4, reset_after=False)], loss="mse", seed=0))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: RNN(0), "units"),
        (lambda: LSTM(3, layers=0), "layers"),
        (lambda: GRU(3, bidirectional=1), "bidirectional is 1"),
        (lambda: GRU(3, reset_after="no"), "reset_after is 'no'"),
        (lambda: RNN(3, activation="gelu"), "activation"),
        (lambda: LSTM(3, dropout=1.0), "expected less than 1"),
        (lambda: LSTM(3, recurrent_initializer="none"), "initializer is 'none'"),
        (lambda: Network(5, [LSTM(3)], loss="mse"), "goes from position to position"),
    ],
)
def test_what_cannot_be_is_named(make: Any, said: str) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        make()


def adding_problem(rng: np.random.Generator, count: int, positions: int) -> tuple[Array, Array]:
    """Hochreiter & Schmidhuber 1997: of each row two of the first numbers are marked, and their sum is asked for."""
    numbers, marks = rng.uniform(size=(count, positions)), np.zeros((count, positions))
    for row in marks:
        row[rng.integers(0, positions // 2)] = row[rng.integers(positions // 2, positions)] = 1
    return np.stack([numbers, marks], axis=2), (numbers * marks).sum(1, keepdims=True)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_it_adds_two_numbers_of_twenty(name: str) -> None:
    """Whoever says 1 is 1/6 off in the mean of squares."""
    rng = np.random.default_rng(0)
    (x, y), (held, right) = adding_problem(rng, 2000, 20), adding_problem(rng, 300, 20)
    net = Network((20, 2), [CELLS_OF[name](24, return_sequences=False), Dense(1)], loss="mse", seed=0)
    net.fit(x, y, epochs=25, batch=32, optimizer=Adam(learning_rate=5e-3), seed=0)
    assert float(np.mean((net(held) - right) ** 2)) < 0.02
