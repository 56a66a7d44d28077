"""What the kernels are said to do for a call, against sums that share nothing with fastnn.study.work."""

from __future__ import annotations

import pytest

from fastnn.bench.calibration.networks import networks
from fastnn.compiler import jit as _jit
from fastnn.kernels.dense import PARALLEL_OUTPUTS
from fastnn.lowering import CHUNK_ROWS, CHUNKED_WORK, SPAN_ROWS
from fastnn.products.matmul import FEW_ROWS_NN, PARALLEL_FEW, PARALLEL_MACS
from fastnn.simd.host import UNIT
from fastnn.study import work
from fastnn.study.products import input_gradient, weight_gradient
from fastnn.study.work import Call

CACHES = 32 * 2**10, 2**20, 32 * 2**20
LANES = {itemsize: UNIT.bytes // itemsize for itemsize in (4, 8)}


def whole(n: int, itemsize: int = 4) -> int:
    """n, rounded up to whole vectors."""
    return n + -n % LANES[itemsize]


# Networks -------------------------------------------------------------------------------------------------------------


def test_a_step_of_the_smallest_network_by_hand() -> None:
    """Two rows of 3-4-2: products of 24 and 16 multiply-adds."""
    found = work.work(Call((3, 4, 2), 2, 1, "step"), ())
    vectors = whole(4) + whole(2)
    assert {name: amount for name, amount in found.items() if amount} == {
        "call, step": 1, "layer, forward, scalar": 2, "layer, backward, scalar": 2,
        "forward, scalar multiply-adds": 24 + 16, "forward, scalar outputs": 2 * 4 + 2 * 2, "outputs": 2 * vectors,
        "weight, scalar multiply-adds": 24 + 16, "weight, scalar outputs": 12 + 8, "updates": 12 + 8,
        "input, scalar multiply-adds": 16, "input, scalar outputs": 8, "gradients of inputs": 8,
        "gradients of outputs": 2 * vectors, "loss, elements": 2 * whole(2), "loss, rows": 2,
    }  # fmt: skip


def test_terms_of_a_network_are_the_sum_of_those_of_its_layers() -> None:
    sizes, batch = (70, 130, 33, 9), 50
    layers = [work.work(Call(pair, batch, 1, "forward"), ()) for pair in zip(sizes[:-1], sizes[1:], strict=True)]
    found = work.work(Call(sizes, batch, 1, "forward"), ())
    assert set(found) == {name for layer in layers for name in layer}
    for name, amount in found.items():
        assert amount == (1 if name == "call, forward" else sum(layer.get(name, 0) for layer in layers))


def test_a_step_is_a_forward_pass_a_loss_and_three_products_a_layer_but_the_first() -> None:
    sizes, batch = (70, 130, 33, 9), 50
    forward, step = (work.work(Call(sizes, batch, 1, phase), CACHES) for phase in ("forward", "step"))
    assert {name: step[name] for name in forward if name != "call, forward"} == {
        name: amount for name, amount in forward.items() if name != "call, forward"
    }
    gradients = [input_gradient(batch, i, o, 4) for i, o in ((130, 33), (33, 9))]
    updates = [weight_gradient(i, o, batch, 4) for i, o in ((70, 130), (130, 33), (33, 9))]
    for name, products in (("input", gradients), ("weight", updates)):
        expected = {term: sum(each.get(term, 0) for each in products) for term in {t for p in products for t in p}}
        assert {term: amount for term, amount in step.items() if term.startswith(f"{name},")} == expected
    assert step["gradients of inputs"] == batch * (130 + 33)
    assert step["updates"] == 70 * 130 + 130 * 33 + 33 * 9
    assert not any(term.startswith("input,") for term in work.work(Call((70, 130), batch, 1, "step"), CACHES))


def test_weights_that_a_cache_does_not_hold_come_from_beyond_it() -> None:
    call = Call((300, 200), 10, 1, "step")
    bytes_used = 4 * (300 * 200 + 200 + 10 * 500)
    assert call.working_set == bytes_used
    found = work.work(call, (bytes_used // 4, bytes_used, bytes_used * 4 // 3, 2 * bytes_used, 3 * bytes_used))
    for pass_name in ("forward", "update"):
        shares = [found[f"beyond L{level}, {pass_name}"] / (4 * 300 * 200) for level in (1, 2, 3, 4, 5)]
        assert shares == pytest.approx([1, 1, 0.5, 0, 0], abs=1e-5)


def test_float64_has_half_the_lanes_and_twice_the_bytes() -> None:
    sizes, batch = (64, 192, 96), 40
    single, double = (work.work(Call(sizes, batch, 1, "step", itemsize), (1,)) for itemsize in (4, 8))
    for name in ("forward", "weight", "input"):
        assert double[f"{name}, multiply-adds"] == 2 * single[f"{name}, multiply-adds"]
    assert double["updates"] == single["updates"]
    odd = work.work(Call((9, 9), 2, 1, "step", 8), ())
    assert odd["outputs"] == odd["gradients of outputs"] == odd["loss, elements"] == 2 * whole(9, 8)
    assert double["beyond L1, forward"] == pytest.approx(2 * single["beyond L1, forward"], rel=1e-4)


# Threads --------------------------------------------------------------------------------------------------------------

# What one thread has none of.
CROSSING = "threads started", "weights that change cores", "outputs that change cores"
SHARED = "forward, multiply-adds", "forward, loads", "beyond L1, forward", "outputs"


@pytest.mark.parametrize(
    ("batch", "side", "pays"),
    [
        (16, round((PARALLEL_MACS / 16) ** 0.5) + 1, True),
        (16, round((PARALLEL_MACS / 16) ** 0.5) - 1, False),
        (FEW_ROWS_NN + 1, -(-PARALLEL_OUTPUTS // (FEW_ROWS_NN + 1)), True),
        (FEW_ROWS_NN + 1, -(-PARALLEL_OUTPUTS // (FEW_ROWS_NN + 1)) - 1, False),
        (1, round(PARALLEL_FEW**0.5) + 1, True),
        (1, round(PARALLEL_FEW**0.5) - 1, False),
    ],
)
def test_threads_divide_the_work_and_are_started_only_where_that_pays(batch: int, side: int, pays: bool) -> None:
    one, three = (work.work(Call((side, side), batch, threads, "forward"), CACHES) for threads in (1, 3))
    assert one["threads started"] == 0
    assert three["threads started"] == pays
    alone = {"threads started", "call, forward", "layer, forward", "outputs that change cores"}
    assert three["outputs that change cores"] == pytest.approx(pays * batch * side * 2 / 3)
    for name in set(one) - alone:
        assert three[name] == pytest.approx(one[name] / (3 if pays else 1))
    assert (three["call, forward"], three["layer, forward"]) == (1, 1)


@pytest.mark.parametrize(
    ("sizes", "batch", "change"),
    [
        ((500, 500), 64, 0),  # the same columns in both passes
        ((500, 500), 600, 250_000),  # rows of the batch forward, columns backward
        ((500, 500, 500), 64, 250_000),  # rows of w backward, in the second layer
        ((20, 20), 64, 0),  # one thread
    ],
)
def test_weights_change_cores_where_the_passes_share_them_otherwise(
    sizes: tuple[int, ...], batch: int, change: int
) -> None:
    one, two = (work.work(Call(sizes, batch, threads, "step"), CACHES) for threads in (1, 2))
    assert one["weights that change cores"] == 0
    assert two["weights that change cores"] == change / 2


def test_the_loss_and_gradients_of_outputs_are_made_by_one_thread() -> None:
    one, two = (work.work(Call((500, 500, 500), 64, threads, "step"), CACHES) for threads in (1, 2))
    assert two["threads started"] == 4
    for name in ("loss, elements", "loss, rows", "gradients of outputs", "layer, backward"):
        assert two[name] == one[name]
    for name in ("weight, multiply-adds", "input, multiply-adds", "updates", "gradients of inputs"):
        assert two[name] == one[name] / 2


def test_a_backward_pass_that_wants_the_gradient_of_the_input_pays_threads_at_half_the_size() -> None:
    side = round((0.7 * PARALLEL_MACS / 64) ** 0.5)
    found = work.work(Call((side, side, side), 64, 2, "step"), CACHES)
    assert found["threads started"] == 1


# Chunks ---------------------------------------------------------------------------------------------------------------

SMALL = (30, 40, 50)


def test_a_small_network_takes_a_big_batch_in_chunks() -> None:
    call = Call(SMALL, 2 * CHUNK_ROWS + 7, 1, "forward")
    assert call.work == 30 * 40 + 40 * 50 + 8 * (40 + 50) <= CHUNKED_WORK
    assert call.in_chunks
    chunk, rest = (work.work(Call(SMALL, rows, 1, "forward"), ()) for rows in (CHUNK_ROWS, 7))
    found = work.work(call, ())
    assert found["layer, forward"] == 3 * 2
    for name in set(chunk) - {"call, forward"}:
        assert found[name] == 2 * chunk[name] + rest[name]
    assert not Call(SMALL, CHUNK_ROWS, 1, "forward").in_chunks
    assert not Call((60, 70, 50), 1000, 1, "forward").in_chunks


def test_threads_share_whole_chunks_forward_and_whole_spans_in_a_step() -> None:
    """Two threads at three chunks have two and one, at two spans each one."""
    batch = 3 * CHUNK_ROWS
    one, two = (work.work(Call(SMALL, batch, threads, "forward"), ()) for threads in (1, 2))
    assert (one["threads started"], two["threads started"]) == (0, 1)
    assert two["forward, multiply-adds"] == pytest.approx(one["forward, multiply-adds"] * 2 / 3)
    batch = 2 * SPAN_ROWS
    one, two, nine = (work.work(Call(SMALL, batch, threads, "step"), ()) for threads in (1, 2, 9))
    assert two["threads started"] == 1
    for name in ("weight, multiply-adds", "forward, multiply-adds"):
        assert two[name] == pytest.approx(one[name] / 2)
        assert nine[name] == two[name]


# All ------------------------------------------------------------------------------------------------------------------


def test_every_network_of_the_calibration_has_terms_that_are_no_less_than_nothing() -> None:
    for sizes, batch in networks(30):
        for phase in ("forward", "step"):
            one, two = (work.work(Call(sizes, batch, threads, phase), CACHES) for threads in (1, 2))
            assert min(one.values()) >= 0
            assert set(one) == set(two)
            assert all(two[name] <= one[name] for name in one if name not in CROSSING)


def test_networks_of_any_size_are_counted_and_nothing_is_compiled_for_that() -> None:
    """1e23 multiply-adds, which no int64 holds."""
    compiled = sum(len(dispatcher.signatures) for dispatcher in _jit.DISPATCHERS)
    found = work.work(Call((10**10, 10**10), 1000, 2, "step"), CACHES)
    assert found["forward, multiply-adds"] * LANES[4] == pytest.approx(0.5e23)
    assert sum(len(dispatcher.signatures) for dispatcher in _jit.DISPATCHERS) == compiled
