"""What the kernels spend time on in one call, in units that each cost a machine so much: terms of the machine model.

fastnn.cost counts what the mathematics asks for; this counts what the kernels do: whole vectors where columns do not
fill them, passes over w by register tiles of falling height, rows of w that straddle cache lines, panels that are
packed, threads that are started. It asks the kernels themselves which way a layer goes.

What a product takes is in fastnn.study.products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from fastnn import cost
from fastnn.kernels import dense
from fastnn.lowering import CHUNK_ROWS, CHUNKED_WORK, SPAN_ROWS, WORK_OF_VALUE
from fastnn.products import matmul
from fastnn.products.blocks import NN, NT
from fastnn.simd.host import UNIT
from fastnn.study.products import (
    Terms,
    input_gradient,
    parts,
    product,
    summed,
    times,
    uncompiled,
    weight_gradient,
    weight_gradient_of_rows,
)

pays_threads, _is_narrow = map(uncompiled, (matmul.pays_threads, dense.is_narrow))


class Costed(Protocol):
    """What the terms of a layer are told of the call that it is a part of; see Call."""

    @property
    def itemsize(self) -> int: ...

    @property
    def in_chunks(self) -> bool: ...

    @property
    def working_set(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Call:
    """A forward pass ("forward") or a training step with sgd ("step") of a relu network with cross-entropy.

    sizes: of the layers, inputs first. itemsize: bytes of a number.
    """

    sizes: tuple[int, ...]
    batch: int
    threads: int
    phase: str
    itemsize: int = 4

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(I, O) of each."""
        return cost.layer_sizes(self.sizes)

    @property
    def parameters(self) -> int:
        return cost.parameter_count(self.sizes)

    @property
    def in_chunks(self) -> bool:
        """Whether the batch goes through the whole network a chunk at a time."""
        return self.work <= CHUNKED_WORK and self.batch > CHUNK_ROWS

    @property
    def work(self) -> int:
        """Of a row, as fastnn.lowering.work_of has it."""
        return sum((inputs + WORK_OF_VALUE) * outputs for inputs, outputs in self.layers)

    @property
    def working_set(self) -> int:
        """Bytes that every call touches: parameters and what the layers pass on."""
        return self.itemsize * (self.parameters + self.batch * sum(self.sizes))


def work(call: Call, caches: Sequence[int]) -> Terms:
    """How often each term occurs. caches: bytes of each level, nearest first, as machine.caches tells them."""
    return dict(_work(call, tuple(caches)))


@lru_cache(maxsize=2**14)
def _work(call: Call, caches: tuple[int, ...]) -> Terms:
    """Counted once: a machine model is fitted to the same calls many times, each time without some."""
    found: list[Terms] = [{f"call, {call.phase}": 1}]
    together = call.phase == "step" and call.batch > SPAN_ROWS
    for layers, rows in PASSES["step on spans" if together else call.phase]:
        if call.in_chunks:
            found.append(_in_chunks(layers, rows, call, caches))
        else:
            found.append(layers(call, call.batch, call.threads, caches))
    if call.phase == "step":
        elements = call.batch * _whole(call.sizes[-1], call.itemsize)
        found.append({"loss, elements": elements, "loss, rows": call.batch})
    return summed(found)


def _in_chunks(layers: Layers, unit: int, call: Call, caches: Sequence[int]) -> Terms:
    """A pass over all rows, a chunk at a time, by threads that share units of so many rows."""
    threads = call.threads if pays_threads(call.batch, call.batch * call.work) else 1
    units = -(-call.batch // unit)
    busiest = -(-units // min(threads, units)) / units
    chunks = parts(call.batch, CHUNK_ROWS)
    each = [times(count * busiest, layers(call, rows, 1, caches)) for rows, count in chunks]
    return summed([{"threads started": threads > 1}, *each])


def _whole(n: int, itemsize: int) -> int:
    """Elements of the vectors that n elements take."""
    lanes = UNIT.bytes // itemsize
    return -(-n // lanes) * lanes


def _forward_layers(call: Call, rows: int, threads: int, caches: Sequence[int]) -> Terms:
    return summed(forward_of_layer(call, rows, *layer, threads, caches) for layer in call.layers)


def _backward_layers(call: Call, rows: int, threads: int, caches: Sequence[int]) -> Terms:
    return summed(
        backward_of_layer(call, rows, *layer, threads, caches, wants_dx=index > 0)
        for index, layer in enumerate(call.layers)
    )


def _step_layers(call: Call, rows: int, threads: int, caches: Sequence[int]) -> Terms:
    return summed(layers(call, rows, threads, caches) for layers in (_forward_layers, _backward_layers))


Layers = Callable[[Call, int, int, Sequence[int]], Terms]
# Of each phase, and the rows that threads share as one where batches go in chunks: a span's backward pass is one
# thread's, and a step on several spans shares them whole.
PASSES: dict[str, tuple[tuple[Layers, int], ...]] = {
    "forward": ((_forward_layers, CHUNK_ROWS),),
    "step": ((_forward_layers, CHUNK_ROWS), (_backward_layers, SPAN_ROWS)),
    "step on spans": ((_step_layers, SPAN_ROWS),),
}


def forward_of_layer(call: Costed, rows: int, inputs: int, outputs: int, threads: int, caches: Sequence[int]) -> Terms:
    macs = rows * inputs * outputs
    share = _share(rows, outputs, macs, threads, by_columns=rows <= outputs)
    shared: list[Terms] = [
        product(NN, rows, outputs, inputs, call.itemsize),
        _beyond("forward", call, inputs * outputs, caches),
        {"outputs": rows * _whole(outputs, call.itemsize)},
    ]
    alone: Terms = {"threads started": share < 1, "outputs that change cores": rows * outputs * (1 - share)}
    return summed([{_layer("forward", macs): 1}, alone, times(share, summed(shared))])


def backward_of_layer(
    call: Costed, rows: int, inputs: int, outputs: int, threads: int, caches: Sequence[int], wants_dx: bool
) -> Terms:
    weights, macs = inputs * outputs, rows * inputs * outputs
    share = _share(rows, outputs, macs * (2 if wants_dx else 1), threads, by_columns=not wants_dx)
    shared: list[Terms] = [
        *_gradients(call, rows, inputs, outputs, wants_dx),
        _beyond("update", call, weights, caches),
        {"updates": weights},
    ]
    if wants_dx:
        shared.append({"gradients of inputs": rows * inputs})
    # Both passes give each thread the same columns of w, or it comes from the core that updated it.
    forward = _share(rows, outputs, macs, threads, by_columns=rows <= outputs)
    stays = share == forward and (share == 1 or not (wants_dx or rows > outputs))
    alone: Terms = {
        "gradients of outputs": rows * _whole(outputs, call.itemsize),
        "threads started": share < 1,
        "weights that change cores": 0 if stays else weights * (1 - 1 / threads),
    }
    return summed([{_layer("backward", macs): 1}, alone, times(share, summed(shared))])


def _gradients(call: Costed, rows: int, inputs: int, outputs: int, wants_dx: bool) -> Iterator[Terms]:
    """Of the products that make them."""
    yield (weight_gradient_of_rows if call.in_chunks else weight_gradient)(inputs, outputs, rows, call.itemsize)
    if wants_dx and call.in_chunks:
        yield product(NT, rows, inputs, outputs, call.itemsize)
    elif wants_dx:
        yield input_gradient(rows, inputs, outputs, call.itemsize)


def _layer(pass_name: str, macs: int) -> str:
    """The term of one layer's pass beside its products: three scalar loops have less to prepare."""
    return f"layer, {pass_name}{', scalar' if macs <= matmul.TINY_MACS else ''}"


def _share(rows: int, outputs: int, macs: int, threads: int, by_columns: bool) -> float:
    """Of the work of a layer that one thread has."""
    pays = threads > 1 and pays_threads(rows, macs) and not _is_narrow(rows, outputs, by_columns)
    return 1 / threads if pays else 1.0


def _beyond(pass_name: str, call: Costed, weights: int, caches: Sequence[int]) -> Terms:
    """Bytes of weights that come from beyond each cache: none where half of it holds the working set, all where it
    does not hold it: what is read in a circle is gone before it is read again."""
    return {
        f"beyond L{level}, {pass_name}": weights * call.itemsize * min(1.0, max(0.0, 2 * call.working_set / size - 1))
        for level, size in enumerate(caches, start=1)
    }
