"""Recurrent layers. Formulas: fastnn.kernels.recurrent and fastnn.kernels.cells."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from fastnn import cost
from fastnn.compiler.jit import most_threads
from fastnn.edge.checks import as_choice, as_count, as_number
from fastnn.graph.forms import Form
from fastnn.graph.graph import Graph
from fastnn.graph.protocol import FEATURES, Parameter, Places, SameShape, Shape, waiting
from fastnn.kernels.recurrent import (
    GATES,
    GRU_AFTER,
    GRU_BEFORE,
    LSTM_CELL,
    RNN_RELU,
    RNN_TANH,
    Recurrence,
    kept_sizes,
    panels_size,
)
from fastnn.kernels.recurrent_backward import gradient_size, inward_size, slopes_size
from fastnn.layers.concatenate import Join
from fastnn.layers.dense import Dense
from fastnn.layers.dropout import Dropout
from fastnn.layers.initializers import initializer_for
from fastnn.operations import recurrent

# By the numbers of cells, what cost calls them.
CELLS = ("tanh", "relu", "lstm", "gru", "gru_before")
# And ONNX, with what makes them of its operators.
ONNX: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("RNN", {"activations": ["Tanh"]}), ("RNN", {"activations": ["Relu"]}), ("LSTM", {}),
    ("GRU", {"linear_before_reset": 1}), ("GRU", {"linear_before_reset": 0}),
)  # fmt: skip


@dataclass(frozen=True)
class _Recurrent:
    """What all have in common; see RNN."""

    units: int
    layers: int = 1
    bidirectional: bool = False
    return_sequences: bool = True
    bias: bool = True
    dropout: float = 0.0
    initializer: str | float = "glorot_uniform"
    recurrent_initializer: str | float = "orthogonal"
    truncate: int | None = None
    axes: ClassVar[str] = FEATURES
    # Of one direction; the first is what is meant where a node says nothing.
    onnx_activations: ClassVar[Sequence[list[str]]]

    def __post_init__(self) -> None:
        for name in ("units", "layers"):
            as_count(getattr(self, name), name)
        if self.truncate is not None:
            as_count(self.truncate, "truncate")
        for name in ("bidirectional", "return_sequences", "bias"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} is {getattr(self, name)!r}; expected True or False")
        if as_number(self.dropout, "dropout", 0.0) >= 1:
            raise ValueError(f"dropout is {self.dropout}; expected less than 1")
        initializer_for(self.initializer, "identity")
        initializer_for(self.recurrent_initializer, "identity")

    @property
    def _cell(self) -> int:
        raise NotImplementedError

    def torch_form(self, shape: Shape) -> Form:
        """See fastnn.interchange.torch_recurrent."""
        return Form(type(self).__name__, {
            "input_size": shape[-1], "hidden_size": self.units, "num_layers": self.layers, "bias": self.bias,
            "batch_first": True, "dropout": self.dropout, "bidirectional": self.bidirectional,
        })  # fmt: skip

    @property
    def torch_parameters(self) -> dict[str, str]:
        """Its own names of parameters, by torch's."""
        suffixes = [f"_l{number}" for number in range(self.layers)]
        if self.bidirectional:
            suffixes = [each for suffix in suffixes for each in (suffix, f"{suffix}_reverse")]
        kinds = ("weight", "bias") if self.bias else ("weight",)
        return {f"{kind}_{of}{end}": f"{of}{end}.{kind}" for end in suffixes for kind in kinds for of in ("ih", "hh")}

    @classmethod
    def from_onnx(cls, form: Form) -> Self:
        """Of one layer, all of whose states are given; see fastnn.interchange.onnx_recurrent."""
        form.require(clip=None, activation_alpha=None, activation_beta=None, input_forget=0)
        of = form.settings
        if of["direction"] not in ("forward", "bidirectional"):
            raise ValueError(f"its direction is {of['direction']!r}; expected 'forward' or 'bidirectional'")
        both = of["direction"] == "bidirectional"
        given, expected = of.get("activations"), [each * (1 + both) for each in cls.onnx_activations]
        if given is not None and [*map(str.capitalize, given)] not in expected:
            raise ValueError(f"its activations are {given}; expected {' or '.join(map(str, expected))}")
        return cls(of["hidden_size"], bidirectional=both, bias=of["bias"])

    def build(self, graph: Graph, name: str, source: int) -> int:
        shape = graph.shape_of(source)
        if len(shape) != 2:
            raise ValueError(f"layer {name} goes from position to position, rows of (T, features); {shape} comes")
        graph.enter()
        lengths = [graph.mask.lengths(graph, name, shape[0])] if graph.mask else []
        for number in range(self.layers):
            if number and self.dropout:
                dropped = Dropout(self.dropout)
                source = graph.add(f"{name}.dropout_l{number}", dropped, source, owner=type(self).__name__)
            ends = [
                self._direction(graph, name, number, reverse, source, lengths)
                for reverse in ((False, True) if self.bidirectional else (False,))
            ]
            source = ends[0]
            if self.bidirectional:
                source = graph.add(f"{name}.both_l{number}", _Both(), *ends, owner=type(self).__name__)
        if not self.return_sequences:
            graph.mask = None
        return source

    def _direction(
        self, graph: Graph, name: str, number: int, reverse: bool, source: int, lengths: Sequence[int]
    ) -> int:  # fmt: skip
        suffix, owner = f"_l{number}" + "_reverse" * reverse, type(self).__name__
        gates = Dense(GATES[self._cell] * self.units, bias=self.bias, initializer=self.initializer)
        sums = graph.add(f"{name}.ih{suffix}", gates, source, owner=owner)
        last = not self.return_sequences and number == self.layers - 1
        steps = _Steps(self.units, self._cell, reverse, last, self.bias, self.recurrent_initializer,
                       self.truncate or 0)  # fmt: skip
        return graph.add(f"{name}.hh{suffix}", steps, sums, *lengths, owner=owner)


@dataclass(frozen=True)
class RNN(_Recurrent):
    """h[t] = tanh(x[t] @ W + b + h[t-1] @ R + c), from h = 0: x (B, T, I), y (B, T, units), or (B, units), the last h.

    layers: one on the other. bidirectional: each of them a second time from the last position to the first, whose
    states are behind, 2 units in all. return_sequences: all states, or the last, of each direction. bias: both, b and
    c. dropout: between layers. initializer: of W; recurrent_initializer: of R. activation: "tanh" or "relu".

    Parameters are named as torch's: of the first layer "ih_l0.weight" (I, units), "ih_l0.bias", "hh_l0.weight" (units,
    units), "hh_l0.bias", backwards "ih_l0_reverse.weight" and so on. Behind a Masking a state stays as it is where a
    position is not there, the outputs there are 0, and the last state is that of the last position that is. States
    between the pieces of a long series are kept by fastnn.Decoder.
    """

    activation: str = "tanh"
    torch_names: ClassVar[Collection[str]] = ()  # see fastnn.interchange.torch_recurrent
    onnx_names: ClassVar[Collection[str]] = ("RNN",)
    onnx_activations: ClassVar[Sequence[list[str]]] = (["Tanh"], ["Relu"])

    def __post_init__(self) -> None:
        super().__post_init__()
        as_choice(self.activation, ("tanh", "relu"), "activation")

    def torch_form(self, shape: Shape) -> Form:
        form = super().torch_form(shape)
        return Form(form.name, {**form.settings, "nonlinearity": self.activation})

    @classmethod
    def from_onnx(cls, form: Form) -> Self:
        first, *_ = form.settings.get("activations", cls.onnx_activations[0])
        return replace(super().from_onnx(form), activation=first.lower())

    @property
    def _cell(self) -> int:
        return RNN_RELU if self.activation == "relu" else RNN_TANH


@dataclass(frozen=True)
class LSTM(_Recurrent):
    """Long short-term memory (Gers et al. 2000), settings and shapes as of RNN; gates i, f, g, o side by side, as torch
    and Keras have them: "ih_l0.weight" (I, 4 units), "hh_l0.weight" (units, 4 units). Forget gates begin with a bias of
    1 (Jozefowicz et al. 2015)."""

    torch_names: ClassVar[Collection[str]] = ()  # see fastnn.interchange.torch_recurrent
    onnx_names: ClassVar[Collection[str]] = ("LSTM",)
    onnx_activations: ClassVar[Sequence[list[str]]] = (["Sigmoid", "Tanh", "Tanh"],)

    @property
    def _cell(self) -> int:
        return LSTM_CELL


@dataclass(frozen=True)
class GRU(_Recurrent):
    """Gated recurrent unit, settings and shapes as of RNN; gates r, z, n side by side, as torch has them (Keras and
    ONNX z, r, n): "ih_l0.weight" (I, 3 units), "hh_l0.weight" (units, 3 units).

    reset_after: the gate r multiplies the product of the state, as in torch and Keras; else the state before it, as in
    Cho et al. 2014.
    """

    reset_after: bool = True
    torch_names: ClassVar[Collection[str]] = ()  # see fastnn.interchange.torch_recurrent
    onnx_names: ClassVar[Collection[str]] = ("GRU",)
    onnx_activations: ClassVar[Sequence[list[str]]] = (["Sigmoid", "Tanh"],)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.reset_after, bool):
            raise TypeError(f"reset_after is {self.reset_after!r}; expected True or False")

    def torch_form(self, shape: Shape) -> Form:
        if not self.reset_after:
            raise ValueError("torch's GRU resets after its product alone")
        return super().torch_form(shape)

    @classmethod
    def from_onnx(cls, form: Form) -> Self:
        return replace(super().from_onnx(form), reset_after=bool(form.settings.get("linear_before_reset", 0)))

    @property
    def _cell(self) -> int:
        return GRU_AFTER if self.reset_after else GRU_BEFORE


@dataclass(frozen=True)
class _Both(Join):
    """The states of both directions side by side; ONNX has them as one operator."""

    onnx_names: ClassVar[Collection[str]] = ()
    onnx_takes: ClassVar[bool] = True


@dataclass(frozen=True)
class _Steps(SameShape):
    """Of sums of the inputs (T, gates units): states (T, units), or the last (units,). A second input holds how many
    positions are there."""

    units: int
    cell: int
    reverse: bool
    last: bool
    bias: bool
    initializer: str | float
    reach: int
    kind: ClassVar[int] = recurrent.RECURRENT
    positionwise: ClassVar[bool] = False
    axes: ClassVar[str] = FEATURES
    local: ClassVar[bool] = True
    reads_backward: ClassVar[Collection[str]] = ()
    onnx_names: ClassVar[Collection[str]] = ()  # see fastnn.interchange.onnx_recurrent
    onnx_takes: ClassVar[bool] = True

    def onnx_forms(self, *shapes: Shape) -> list[Form]:
        name, settings = ONNX[self.cell]
        return [Form(name, {"hidden_size": self.units, **settings})]

    def output_shape(self, *shapes: Shape) -> Shape:
        return (self.units,) if self.last else (shapes[0][0], self.units)

    def parameters(self, *shapes: Shape) -> Mapping[str, Parameter]:
        width = GATES[self.cell] * self.units
        weight = {"weight": Parameter((self.units, width), decays=True)}
        return weight | ({"bias": Parameter((width,))} if self.bias else {})

    def initial(self, rng: np.random.Generator, *shapes: Shape) -> Mapping[str, NDArray[np.float64]]:
        draw, gates = initializer_for(self.initializer, "identity"), GATES[self.cell]
        found = {"weight": draw(rng, (self.units, gates * self.units), self.units, gates * self.units)}
        if self.bias and self.cell == LSTM_CELL:
            found["bias"] = np.repeat([0.0, 1.0, 0.0, 0.0], self.units)
        return found

    def _sizes(self, rows: int, positions: int) -> Recurrence:
        return Recurrence(rows, positions, self.units, self.cell, int(self.reverse), int(self.last), 0, self.reach)

    def kept(self, *shapes: Shape) -> Mapping[str, int]:
        of = self._sizes(1, shapes[0][0])
        sizes = dict(zip(("gates", "before", "cells", "inner"), map(int, kept_sizes(of)), strict=True))
        there = 1 if len(shapes) > 1 else 0
        return {"state": self.units, "carry": self.units, **sizes, "slopes": int(slopes_size(of)), "there": there}

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        of, kept = recurrent, self.kept(*shapes)
        (weight, _), (bias, bias_size) = places.parameter("weight"), places.parameter("bias")
        columns = {
            of.STEPS: shapes[0][0], of.UNITS: self.units, of.CELL: self.cell, of.REVERSE: self.reverse,
            of.LAST: self.last, of.WEIGHT: weight, of.BIAS: bias, of.BIAS_SIZE: bias_size,
            of.REACH: self.reach, of.LENGTHS: places.inputs[1] if len(shapes) > 1 else -1,
        }  # fmt: skip
        return columns | {getattr(of, name.upper()): places.kept(name) for name in kept}

    def scratch(self, rows: int, itemsize: int, *shapes: Shape) -> int:
        """Biases that are zeros, and panels; or the gradient of the parameters, which waits, and its product's."""
        of, width = self._sizes(rows, shapes[0][0]), GATES[self.cell] * self.units
        forward, inward = width + int(panels_size(of)), int(inward_size(of))
        gradient = waiting(self.parameters(*shapes), itemsize) + int(gradient_size(of, itemsize, most_threads()))
        return max(forward, inward, gradient)

    def stepping(self, positions: int) -> _OneStep:
        if self.reverse:
            raise ValueError("it goes from the last position to the first, which is not there yet")
        return _OneStep(self.units, self.cell, self.reverse, self.last, self.bias, self.initializer, self.reach,
                        positions)  # fmt: skip

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return cost.recurrent_forward(CELLS[self.cell], rows, shapes[0][0], self.units, self.last, itemsize)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        cell, positions = CELLS[self.cell], shapes[0][0]
        own = cost.recurrent_gradient(cell, rows, positions, self.units, self.bias, itemsize)
        return own + cost.recurrent_inward(cell, rows, positions, self.units, self.last, itemsize, self.reach)


@dataclass(frozen=True)
class _OneStep(_Steps):
    """Of one position after the other, which keeps the state alone: the last one is that of each. positions: that a
    cost is of."""

    positions: int = 1
    kind: ClassVar[int] = recurrent.RECURRENT_STEP
    endless: ClassVar[bool] = True

    @property
    def states(self) -> Mapping[str, int]:
        """The columns that say where a state (B, units) is kept, by its name."""
        return {"h": recurrent.STATE} | ({"c": recurrent.CARRY} if self.cell == LSTM_CELL else {})

    def kept(self, *shapes: Shape) -> Mapping[str, int]:
        sizes = dict.fromkeys(("state", "carry", "before", "inner"), self.units)
        return {**sizes, "gates": GATES[self.cell] * self.units}

    def scratch(self, rows: int, itemsize: int, *shapes: Shape) -> int:
        return GATES[self.cell] * self.units

    def steps_cost(self, itemsize: int) -> cost.Cost:
        """Of one sequence of all positions."""
        return cost.recurrent_forward(CELLS[self.cell], 1, self.positions, self.units, itemsize=itemsize)
