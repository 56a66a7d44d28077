"""Facts that hold of every operation on a tape, and the check of all of them.

What it computes: the reference's values, in both types; the gradient that central differences give, of its parameters
and of its input; a refusal of references that are wrong.

How: a row does not depend on the others, nor on chunks, spans, threads, or what the workspace held; nothing is written
outside of it; parameters and rows stay as they are; an update with the gradient is that after it; a network is the same
from a pickle. What its layer says of itself: shapes that are those of the values, costs that are counts, and, where
PyTorch is installed, the module that it is there.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from fastnn.compiler.jit import DISABLED
from fastnn.cost import Cost
from fastnn.kernels.dropout import NO_KEY
from fastnn.lowering import CHUNK_ROWS
from fastnn.networks.network import Network
from fastnn.tape import loss_and_gradient_with
from fastnn.tape.columns import CHUNK
from fastnn.testing.case import Array, Case, targets
from fastnn.testing.torch_module import check_torch

DTYPES = ("float32", "float64")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adam", "adamw")
# Of a central difference; see check_gradient.
STEP, ABSOLUTE, RELATIVE = 1e-5, 1e-8, 1e-6
# Most elements of a parameter that differences are taken of.
SAMPLED = 60
GUARD = 64


def _differs(found: Array, expected: Array, dtype: str, terms: float) -> str | None:
    """Where values are further from the reference than roundings explain; None where they are not."""
    expected = np.asarray(expected, np.float64)
    if found.shape != expected.shape:
        return f"shape {found.shape}; the reference has {expected.shape}"
    unit = float(np.finfo(dtype).eps) / 2
    rows = expected.reshape(len(expected), -1)
    scale = np.maximum(1.0, np.abs(rows).max(axis=1, initial=0.0)).reshape(-1, *[1] * (expected.ndim - 1))
    with np.errstate(invalid="ignore"):
        wrong = np.argwhere(~(np.abs(found - expected) <= terms * unit * scale))
    if not len(wrong):
        return None
    at = tuple(map(int, wrong[0]))
    return f"value {at} is {found[at]}; the reference has {expected[at]}, and {terms:g} roundings are allowed"


def check_reference(case: Case) -> None:
    """Its values are the reference's in both types."""
    if case.reference is None:
        return
    for dtype in DTYPES:
        net, x = case.alone(dtype), case.rows(11, dtype)
        difference = _differs(net(x), case.reference(case.parameters(net), x.astype(float)), dtype, case.terms)
        assert difference is None, f"{dtype}: {difference}"


def check_wrong_references(case: Case) -> None:
    """A wrong reference is refused, in float64 at least."""
    net, x = case.alone("float64"), case.rows(11, "float64")
    for number, wrong in enumerate(case.wrong):
        difference = _differs(net(x), wrong(case.parameters(net), x), "float64", case.terms)
        assert difference is not None, f"wrong reference {number} passes"


def check_gradient(case: Case) -> None:
    """The gradient is that of central differences, of its parameters, and of its input by the layer before.

    Alone too, where some of its inputs are rows of the network, of which nobody wants the gradient.
    """
    if case.smooth:
        for net in (case.alone("float64"), case.amid("float64")):
            _check_gradient(net, case.rows(5, "float64"))


def _check_gradient(net: Network, x: Array) -> None:
    y, rng = targets(net, len(x)), np.random.default_rng(0)
    gradient = net.named(net.gradient(x, y))
    for name, values in net.named_parameters.items():
        if net.layout.blocks[name].statistic:  # its gradient is what training moves it by
            continue
        places = list(np.ndindex(values.shape))
        for index in rng.permutation(len(places))[:SAMPLED]:
            at = places[index]
            slope = _slope(net, values, at, x, y)
            error = abs(gradient[name][at] - slope)
            assert error <= ABSOLUTE + RELATIVE * abs(slope), (
                f"{name}{list(at)}: {gradient[name][at]}, expected {slope}"
            )


def _slope(net: Network, values: Array, at: tuple[int, ...], x: Array, y: Array) -> float:
    before, losses = values[at], []
    for moved in (before + STEP, before - STEP):
        values[at] = moved
        losses.append(net.loss(x, y))
    values[at] = before
    return (losses[0] - losses[1]) / (2 * STEP)


def check_rows_are_independent(case: Case) -> None:
    """A row has the same bits alone, in any batch, in chunks, and in a trainer's."""
    for dtype in DTYPES:
        net, x = case.amid(dtype), case.rows(700, dtype)
        whole = net(x)
        alone = np.concatenate([net(row[None]) for row in x[:40]])
        assert whole[:40].tobytes() == alone.tobytes(), f"{dtype}: a row alone"
        assert whole.tobytes() == net.trainer("sgd", len(x)).forward(x).tobytes(), f"{dtype}: a batch in chunks"


def check_chunks(case: Case) -> None:
    """The gradient of rows that go through the network in chunks is that of layer by layer, to the bit."""
    for net in (case.alone("float64"), case.amid("float64")):
        x = case.rows(CHUNK_ROWS + 44, "float64")
        plan, goal, found = net.plan(len(x)), targets(net, len(x)).reshape(len(x), -1), set()
        for chunk in (plan.tape[0, CHUNK], 0):
            plan.tape[0, CHUNK] = chunk
            gradient, workspace = np.zeros_like(net.parameters), plan.workspace()
            loss_and_gradient_with(plan.tape, net.parameters, gradient, x.reshape(len(x), -1), goal, workspace, NO_KEY)
            found.add(gradient.tobytes())
        assert len(found) == 1, "chunks and layers differ"


def check_threads(case: Case) -> None:
    """Steps have the same bits on any number of threads, within a span and on several."""
    most, x = numba.get_num_threads(), case.rows(300, "float32")
    for hidden, span in ((0, 1024), (0, 64), (90, 64)):
        found = set()
        try:
            for threads in range(1, most + 1):
                numba.set_num_threads(threads)
                net = case.amid("float32", hidden)
                trainer = net.trainer("sgd", len(x), span=span)
                losses = [trainer.step(x, targets(net, len(x))) for _ in range(2)]
                found.add((trainer.params.tobytes(), *losses))
        finally:
            numba.set_num_threads(most)
        assert len(found) == 1, f"{hidden} hidden units, spans of {span}"


def check_spans(case: Case) -> None:
    """The gradient of two spans is the sum of theirs, to the bit."""
    net, x = case.amid("float64"), case.rows(128, "float64")
    y = targets(net, len(x))
    whole, *halves = (_gradient_in_spans(net, x[part], y[part], 64) for part in (slice(128), slice(64), slice(64, 128)))
    assert whole.tobytes() == (halves[0] / 2 + halves[1] / 2).tobytes()


def _gradient_in_spans(net: Network, x: Array, y: Array, span: int) -> Array:
    plan, gradient = net.plan(len(x), span=span), np.zeros_like(net.parameters)
    rows, goal = (values.reshape(len(x), -1) for values in (x, y))
    loss_and_gradient_with(plan.tape, net.parameters, gradient, rows, goal, plan.workspace(), NO_KEY)
    return gradient


def check_workspace(case: Case) -> None:
    """Gradients do not depend on what was there before, nor on places used twice; nothing is written beside them."""
    net, x = case.amid("float64"), case.rows(9, "float64")
    goal, found = targets(net, len(x)).reshape(len(x), -1), set()
    parameters, rows = net.parameters.tobytes(), x.tobytes()
    for keep in (False, True):
        plan = net.plan(len(x), keep=keep)
        for fill in (0.0, -1e300, np.nan):
            held, kept = (np.full(size + 2 * GUARD, fill) for size in (plan.workspace_size, net.parameters.size))
            workspace, gradient = held[GUARD:-GUARD], kept[GUARD:-GUARD]
            gradient[:] = 0  # between the parameters too
            for values in net.named(gradient).values():
                values[...] = fill
            loss_and_gradient_with(plan.tape, net.parameters, gradient, x.reshape(len(x), -1), goal, workspace, NO_KEY)
            found.add(gradient.tobytes())
            for array in (held, kept):
                outside = np.concatenate([array[:GUARD], array[-GUARD:]])
                assert np.array_equal(outside, np.full(2 * GUARD, fill), equal_nan=True), "written beside the workspace"
    assert len(found) == 1, "the gradient depends on what was in the workspace, or in the gradient, before"
    case.alone("float64")(x)
    assert (net.parameters.tobytes(), x.tobytes()) == (parameters, rows), "parameters or rows were changed"


def check_updates(case: Case) -> None:
    """A step is a gradient and its application, for every optimizer, with many parameters and with few."""
    for hidden in (0, 900):
        for optimizer in OPTIMIZERS:
            net = case.amid("float32", hidden)
            stepped, apart = net.copy().trainer(optimizer, 9), net.copy().trainer(optimizer, 9)
            for seed in range(3):
                x, y = case.rows(9, "float32", seed), targets(net, 9, seed)
                assert stepped.step(x, y) == apart.gradient(x, y), optimizer
                apart.apply()
            assert stepped.params.tobytes() == apart.params.tobytes(), optimizer
            named = sum(values.size for values in net.named_parameters.values())
            assert np.count_nonzero(stepped.params) <= named, f"{optimizer}: zeros between parameters moved"


def check_copies(case: Case) -> None:
    """A network comes back from a pickle as it was."""
    net, x = case.amid("float32"), case.rows(5, "float32")
    other = pickle.loads(pickle.dumps(net))
    assert other(x).tobytes() == net(x).tobytes()
    assert list(other.named_parameters) == list(net.named_parameters)


def check_costs(case: Case) -> None:
    """Costs are counts, those of rows add up, and the gradient of the input is not free where there is any work."""
    net = case.amid("float32")
    for operation in net.operations:
        name = operation.name
        require_counts(name, operation.forward_cost(1, 4), operation.forward_cost(8, 4))
        require_counts(name, operation.backward_cost(1, 4, True), operation.backward_cost(8, 4, True))
        assert operation.forward_cost(1, 8).bytes == 2 * operation.forward_cost(1, 4).bytes, f"{name}: bytes of float64"
    assert net.cost(4).total.flops > 0


def require_counts(name: str, one: Cost, eight: Cost) -> None:
    """Of one row and of eight: whole numbers, of which what belongs to no row may be in both."""
    for field in ("macs", "flops_elementwise", "transcendentals", "bytes"):
        single, several = getattr(one, field), getattr(eight, field)
        assert isinstance(single, int), f"{name}: {field} is {single!r}"
        assert 0 <= single <= several, f"{name}: {field} of a row is {single}, of eight {several}"


CHECKS: dict[str, Callable[[Case], None]] = {
    "reference": check_reference,
    "wrong references": check_wrong_references,
    "gradient": check_gradient,
    "rows are independent": check_rows_are_independent,
    "chunks": check_chunks,
    "threads": check_threads,
    "spans": check_spans,
    "workspace": check_workspace,
    "updates": check_updates,
    "copies": check_copies,
    "costs": check_costs,
}


# Facts about batches of many rows, which plain Python takes minutes for, and has no threads for.
OF_MANY_ROWS = ("rows are independent", "chunks", "threads", "updates")


def check_operation(case: Case) -> None:
    """All facts of CHECKS on one case, and `check_torch`. AssertionError, which names the case and the fact, for the
    first that fails.

    With NUMBA_DISABLE_JIT=1, where a debugger goes through kernels, without those OF_MANY_ROWS.
    """
    facts = {name: check for name, check in CHECKS.items() if not (DISABLED and name in OF_MANY_ROWS)}
    for name, check in (facts | {"torch": check_torch}).items():
        try:
            check(case)
        except AssertionError as error:
            raise AssertionError(f"{case}: {name}: {error}") from error


def checks_of(*cases: Case) -> list[Any]:
    """(case, check) for pytest.mark.parametrize, one test a fact."""
    import pytest

    return [pytest.param(case, check, id=f"{case}, {name}") for case in cases for name, check in CHECKS.items()]
