"""What the kernels spend time on in one call, in units that each cost a machine so much: terms of the machine model.

fastnn.cost counts what the mathematics asks for; this counts what the kernels do: whole vectors where columns do not
fill them, passes over w by register tiles of falling height, rows of w that straddle cache lines, panels that are
packed, threads that are started. It asks the kernels themselves which way a product goes.

    B batch   I inputs   O outputs   M, N, K rows, columns and terms of a product
    NN forward   TN gradient of the weight, updated   NT gradient of the input
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fastnn import cost
from fastnn.kernels import dense, matmul
from fastnn.kernels.matmul import NN, NT, TN
from fastnn.lowering import CHUNK_ROWS, CHUNKED_WORK, SPAN_ROWS, WORK_OF_VALUE
from fastnn.simd.host import UNIT, VECTORS

Terms = dict[str, float]
FORMS = {NN: "forward", TN: "weight", NT: "input"}


def _uncompiled(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Its Python function: networks on paper have more multiply-adds than an int64 holds, and nothing compiles."""
    return getattr(kernel, "py_func", kernel)


_is_few, _is_swapped = map(_uncompiled, (matmul.is_few, matmul.is_swapped))
_pays_threads, _is_narrow = map(_uncompiled, (matmul.pays_threads, dense.is_narrow))


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
    return _sum(found)


def _sum(found: Iterable[Terms]) -> Terms:
    total: defaultdict[str, float] = defaultdict(float)
    for terms in found:
        for name, amount in terms.items():
            total[name] += amount
    return dict(total)


def _times(factor: float, terms: Terms) -> Terms:
    return {name: factor * amount for name, amount in terms.items()}


def _in_chunks(layers: Layers, unit: int, call: Call, caches: Sequence[int]) -> Terms:
    """A pass over all rows, a chunk at a time, by threads that share units of so many rows."""
    threads = call.threads if _pays_threads(call.batch, call.batch * call.work) else 1
    units = -(-call.batch // unit)
    busiest = -(-units // min(threads, units)) / units
    chunks = _parts(call.batch, CHUNK_ROWS)
    each = [_times(count * busiest, layers(call, rows, 1, caches)) for rows, count in chunks]
    return _sum([{"threads started": threads > 1}, *each])


def _parts(size: int, most: int) -> Iterator[tuple[int, int]]:
    """Parts of at most so many that a size is made of, and how often each occurs."""
    if size >= most:
        yield most, size // most
    if size % most:
        yield size % most, 1


def _whole(n: int, itemsize: int) -> int:
    """Elements of the vectors that n elements take."""
    lanes = UNIT.bytes // itemsize
    return -(-n // lanes) * lanes


def _forward_layers(call: Call, rows: int, threads: int, caches: Sequence[int]) -> Terms:
    return _sum(_forward(call, rows, *layer, threads, caches) for layer in call.layers)


def _backward_layers(call: Call, rows: int, threads: int, caches: Sequence[int]) -> Terms:
    return _sum(
        _backward(call, rows, *layer, threads, caches, wants_dx=index > 0) for index, layer in enumerate(call.layers)
    )


def _step_layers(call: Call, rows: int, threads: int, caches: Sequence[int]) -> Terms:
    return _sum(layers(call, rows, threads, caches) for layers in (_forward_layers, _backward_layers))


Layers = Callable[[Call, int, int, Sequence[int]], Terms]
# Of each phase, and the rows that threads share as one where batches go in chunks: a span's backward pass is one
# thread's, and a step on several spans shares them whole.
PASSES: dict[str, tuple[tuple[Layers, int], ...]] = {
    "forward": ((_forward_layers, CHUNK_ROWS),),
    "step": ((_forward_layers, CHUNK_ROWS), (_backward_layers, SPAN_ROWS)),
    "step on spans": ((_step_layers, SPAN_ROWS),),
}


def _forward(call: Call, rows: int, inputs: int, outputs: int, threads: int, caches: Sequence[int]) -> Terms:
    macs = rows * inputs * outputs
    share = _share(rows, outputs, macs, threads, by_columns=rows <= outputs)
    shared: list[Terms] = [
        _product(NN, rows, outputs, inputs, call.itemsize),
        _beyond("forward", call, inputs * outputs, caches),
        {"outputs": rows * _whole(outputs, call.itemsize)},
    ]
    alone: Terms = {"threads started": share < 1, "outputs that change cores": rows * outputs * (1 - share)}
    return _sum([{_layer("forward", macs): 1}, alone, _times(share, _sum(shared))])


def _backward(
    call: Call, rows: int, inputs: int, outputs: int, threads: int, caches: Sequence[int], wants_dx: bool
) -> Terms:
    weights, macs = inputs * outputs, rows * inputs * outputs
    share = _share(rows, outputs, macs * (2 if wants_dx else 1), threads, by_columns=not wants_dx)
    shared: list[Terms] = [
        _product(TN, inputs, outputs, rows, call.itemsize),
        _beyond("update", call, weights, caches),
        {"updates": weights},
    ]
    if wants_dx:
        shared += [_product(NT, rows, inputs, outputs, call.itemsize), {"gradients of inputs": rows * inputs}]
    # Both passes give each thread the same columns of w, or it comes from the core that updated it.
    forward = _share(rows, outputs, macs, threads, by_columns=rows <= outputs)
    stays = share == forward and (share == 1 or not (wants_dx or rows > outputs))
    alone: Terms = {
        "gradients of outputs": rows * _whole(outputs, call.itemsize),
        "threads started": share < 1,
        "weights that change cores": 0 if stays else weights * (1 - 1 / threads),
    }
    return _sum([{_layer("backward", macs): 1}, alone, _times(share, _sum(shared))])


def _layer(pass_name: str, macs: int) -> str:
    """The term of one layer's pass beside its products: three scalar loops have less to prepare."""
    return f"layer, {pass_name}{', scalar' if macs <= matmul.TINY_MACS else ''}"


def _share(rows: int, outputs: int, macs: int, threads: int, by_columns: bool) -> float:
    """Of the work of a layer that one thread has."""
    pays = threads > 1 and _pays_threads(rows, macs) and not _is_narrow(rows, outputs, by_columns)
    return 1 / threads if pays else 1.0


def _beyond(pass_name: str, call: Call, weights: int, caches: Sequence[int]) -> Terms:
    """Bytes of weights that come from beyond each cache: the part of the working set that it does not hold."""
    return {
        f"beyond L{level}, {pass_name}": weights * call.itemsize * max(0.0, 1 - size / call.working_set)
        for level, size in enumerate(caches, start=1)
    }


def _product(form: int, m: int, n: int, k: int, itemsize: int) -> Terms:
    """Of one product, by the way that the kernels take."""
    name, macs = FORMS[form], m * n * k
    straddles = form != NT and n * itemsize % UNIT.bytes > 0
    if macs <= matmul.TINY_MACS:
        return {f"{name}, scalar multiply-adds": macs, f"{name}, scalar outputs": m * n}
    if _is_few(form, m, n, k):
        rows = m * (n if form == NT else k)
        passing = f"{name}, passing by"
        return {passing: macs, f"{passing}, rows": rows, f"{passing}, straddling": macs * straddles}
    if form == NT and _is_swapped(m, n, k, itemsize):
        return _tiles(name, n, m, k, itemsize, straddles=False) | {f"{name}, swapped": m * k + m * n}
    packs = form == NT or (form == NN and m >= matmul.PACKED_ROWS and (straddles or m >= matmul.ALWAYS_PACKED_ROWS))
    return _tiles(name, m, n, k, itemsize, straddles and not packs) | {f"{name}, packed": n * k * packs}


def _tiles(name: str, m: int, n: int, k: int, itemsize: int, straddles: bool) -> Terms:
    """Of stripes of y as wide as a tile, each from top to bottom by tiles of falling height, a block of k at a time."""
    shapes: list[tuple[int, int, int]] = []
    for width, stripes in _stripes(-(-n * itemsize // UNIT.bytes)):
        left = m
        for height in UNIT.tiles[width]:
            shapes.append((height, width, stripes * (left // height)))
            left %= height
    return {
        f"{name}, multiply-adds": k * sum(count * height * width for height, width, count in shapes),
        f"{name}, loads": k * sum(count * (height + width) for height, width, count in shapes),
        f"{name}, loads, straddling": straddles * k * sum(count * width for _, width, count in shapes),
        f"{name}, steps of tiles": k * sum(count for _, _, count in shapes),
        f"{name}, tiles": -(-k // matmul.BLOCK_K) * sum(count for _, _, count in shapes),
    }


def _stripes(vectors: int) -> Iterator[tuple[int, int]]:
    """Widths of stripes in vectors, and how many there are of each; four vectors are two and two."""
    whole, rest = divmod(vectors, VECTORS)
    if rest == 1 and whole and VECTORS > 2:
        yield 2, 2
        whole, rest = whole - 1, 0
    if whole:
        yield VECTORS, whole
    if rest:
        yield rest, 1
