"""PyTorch's recurrent modules, which give two results: made so that a Sequential goes on with one of them, and read."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from numpy.typing import NDArray

from fastnn.graph.forms import Form
from fastnn.interchange.chain import Chain
from fastnn.interchange.extra import imported
from fastnn.layers import GRU, LSTM, RNN

NAMES = ("RNN", "LSTM", "GRU")
# Set in the class of modules that give states alone: all of them, or the last.
SEQUENCES = "return_sequences"


@cache
def states_of(kind: Any, return_sequences: bool) -> Any:
    """The class of torch's module whose forward gives all states (B, T, H), or the last of each direction (B, H)."""
    torch_forward = kind.forward

    def forward(self: Any, x: Any) -> Any:
        states, last = torch_forward(self, x)
        if return_sequences:
            return states
        h = last[0] if isinstance(last, tuple) else last
        directions = 1 + int(self.bidirectional)
        return h[-directions:].movedim(0, 1).flatten(1)  # those of the last layer, side by side

    def reduced(self: Any, protocol: Any) -> Any:
        """For pickles, which find no class of that name."""
        return _without_state, (kind.__name__, return_sequences), self.__getstate__()

    own = {"forward": forward, SEQUENCES: return_sequences, "__reduce_ex__": reduced}
    return type(kind.__name__, (kind,), own)


def _without_state(name: str, return_sequences: bool) -> Any:
    """A module as pickles begin one."""
    kind = states_of(getattr(imported("torch").nn, name), return_sequences)
    return kind.__new__(kind)


def is_states(module: Any, nn: Any) -> bool:
    """Whether a module is one of torch's, or of states_of."""
    name, kind = type(module).__name__, type(module)
    own = getattr(nn, name, None)
    return name in NAMES and own is not None and (kind is own or (hasattr(kind, SEQUENCES) and kind.__base__ is own))


def read_states(chain: Chain, module: Any, array: Callable[[Any, str], NDArray[Any]]) -> None:
    """Of torch's own the first result, all states. ValueError for settings that fastnn has not."""
    Form(type(module).__name__, vars(module)).require(batch_first=True, proj_size=0)
    common = {
        "layers": module.num_layers, "bidirectional": module.bidirectional, "bias": module.bias,
        "dropout": module.dropout, SEQUENCES: getattr(module, SEQUENCES, True),
    }  # fmt: skip
    layer: Any
    if type(module).__name__ == "RNN":
        layer = RNN(module.hidden_size, activation=module.nonlinearity, **common)
    else:
        layer = {"LSTM": LSTM, "GRU": GRU}[type(module).__name__](module.hidden_size, **common)
    tensors = dict(module.named_parameters())
    chain.container(layer, {own: array(tensors[name], name) for name, own in layer.torch_parameters.items()})
