"""The peers that are known: where each is written, what it needs and what it can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec

# A peer is called from Python, once a call. GENERATE is of language models.
GENERATE = "generate"
PHASES = ("forward", "step")


@dataclass(frozen=True, slots=True)
class Known:
    """module: holds a class Model that is a fastnn.bench.peers.worker.Peer. packages: what it imports.

    phases: what it can be timed at. lacks: optimizers that it does not have. two_outputs: whether it can have so few.
    language_models: whether it builds those. layers: whether it builds networks of convolutions and recurrent layers.
    """

    module: str
    packages: tuple[str, ...]
    phases: tuple[str, ...] = PHASES
    lacks: tuple[str, ...] = ()
    two_outputs: bool = True
    language_models: bool = False
    layers: bool = False


PEERS = {
    "numpy": Known("numpy_peer", ("numpy",)),
    "torch": Known("torch_peer", ("torch",), (*PHASES, GENERATE), language_models=True, layers=True),
    "torch-compile": Known("torch_compile_peer", ("torch",), language_models=True, layers=True),
    "jax": Known("jax_peer", ("jax",), language_models=True, layers=True),
    "sklearn": Known("sklearn_peer", ("sklearn",), lacks=("adamw",), two_outputs=False),
    "onnxruntime": Known("onnxruntime_peer", ("onnxruntime", "onnx"), phases=("forward",)),
}
NAMES = tuple(PEERS)
# Where a package is installed by another name than it is imported by.
DISTRIBUTIONS = {"sklearn": "scikit-learn"}


def parse(names: str, known: Sequence[str] = NAMES, option: str = "--peers") -> list[str]:
    """The names in "numpy,torch", each once. ValueError: a name that is not among the known ones."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            raise ValueError(f"{option}: {name!r} is unknown; expected some of {', '.join(known)}")
    return list(dict.fromkeys(wanted))


def missing(name: str) -> list[str]:
    """Packages that the peer needs and that are not installed."""
    return [package for package in PEERS[name].packages if find_spec(package) is None]


def versions(names: Sequence[str]) -> dict[str, str]:
    """Of the packages that these peers need."""
    packages = dict.fromkeys(package for name in names for package in PEERS[name].packages)
    return {package: version(DISTRIBUTIONS.get(package, package)) for package in packages}


def cannot(name: str, sizes: Sequence[int], heads: int, optimizer: str) -> str | None:
    """Why the peer cannot train a network with that optimizer; None where it can.

    sizes: of the layers of a multilayer perceptron; heads: of a language model; none of both of another network.
    """
    peer = PEERS[name]
    if not sizes and not (peer.language_models if heads else peer.layers):
        return "it builds multilayer perceptrons alone"
    if optimizer in peer.lacks:
        return f"it has no {optimizer}"
    if sizes and sizes[-1] == 2 and not peer.two_outputs:
        return "for two classes it has one logistic output, which is another network"
    return None
