"""Networks whose trained parameters are kept as hashes: what a change of the house must leave as it is, bit for bit.

    python tests/frozen_networks.py            prints this machine's hashes beside those that are kept
    python tests/frozen_networks.py --keep     keeps them

A kept hash changes only in a commit that names the reason.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numba
import numpy as np

import fastnn
from fastnn import Activation, Dense, Dropout, LayerNorm, Network, Residual, RMSNorm
from fastnn.simd.host import UNIT

FILE = Path(__file__).parent / "frozen_networks.json"
STEPS = 20
# Bits may differ between vector units and between compilers, and are kept for each; on these processors all of a unit
# were seen to be the same (on Skylake-X, whose loops prefer half a vector, sums of squares are not).
PROCESSORS = ("haswell", "znver3", "znver4", "znver5")
KEY = f"{UNIT.name}, numba {numba.__version__}, llvmlite {llvmlite.__version__}"
CLASSES, FEATURES = 5, 11


@dataclass(frozen=True)
class Frozen:
    """layers on FEATURES inputs; the last one has CLASSES outputs. batch: of each of STEPS steps. rows: of inputs."""

    layers: tuple[Any, ...]
    loss: Any = "cross_entropy"
    optimizer: Any = "sgd"
    batch: int = 32
    inputs: int = FEATURES
    target: Callable[[np.random.Generator, int], Any] = field(default=lambda rng, rows: rng.integers(0, CLASSES, rows))
    rows: Callable[[np.random.Generator, tuple[int, int]], Any] = field(
        default=lambda rng, shape: rng.normal(size=shape)
    )


def _rows(low: float, high: float) -> Callable[[np.random.Generator, int], Any]:
    return lambda rng, rows: rng.uniform(low, high, (rows, CLASSES))


def _signs(negative: int) -> Callable[[np.random.Generator, int], Any]:
    return lambda rng, rows: np.where(rng.random((rows, CLASSES)) < 0.5, negative, 1)


def _shares(rng: np.random.Generator, rows: int) -> Any:
    shares = rng.random((rows, CLASSES))
    return shares / shares.sum(axis=1, keepdims=True)


def _some_ignored(rng: np.random.Generator, rows: int) -> Any:
    labels = rng.integers(0, CLASSES, rows)
    labels[:: max(3, rows // 10)] = -100
    return labels


def _hidden(*layers: Any) -> tuple[Any, ...]:
    return *layers, Dense(CLASSES)


RELU = _hidden(Dense(16, "relu"))
BLOCK = _hidden(Dense(24, "gelu"), Residual(LayerNorm(), Dense(32, "silu"), Dropout(0.2), Dense(24)), RMSNorm())
WIDE = _hidden(Dense(130, "relu"), Dense(70, "tanh"))
BIG = _hidden(Dense(512, "relu"), Dense(512, "relu"))
ACTIVATIONS = ("sigmoid", "tanh", "leaky_relu", "elu", "gelu", "gelu_tanh", "silu", "softplus")

NETWORKS: dict[str, Frozen] = {
    "3-4-2 at 1": Frozen((Dense(4, "relu"), Dense(2)), inputs=3, batch=1, target=lambda rng, n: rng.integers(0, 2, n)),
    "relu at 8": Frozen(RELU, batch=8),
    "relu at 256": Frozen(RELU, batch=256),
    "relu at 257": Frozen(RELU, batch=257),
    "relu at 1024": Frozen(RELU, batch=1024),
    "relu at 1025": Frozen(RELU, batch=1025),
    "relu at 3000, momentum": Frozen(RELU, batch=3000, optimizer="momentum"),
    "no bias": Frozen(_hidden(Dense(16, "relu", bias=False)), optimizer="nesterov"),
    **{name: Frozen(_hidden(Dense(16, name)), optimizer="adam", batch=33) for name in ACTIVATIONS},
    "activation by itself": Frozen(_hidden(Dense(16), Activation("elu", 0.7), Dense(9), Activation("gelu")), batch=65),
    "block": Frozen(BLOCK, optimizer="adamw"),
    "block at 700": Frozen(BLOCK, optimizer="adam", batch=700),
    "block at 1500": Frozen(BLOCK, batch=1500),
    "first layer without parameters": Frozen(_hidden(Dropout(0.1), LayerNorm(), Dense(20, "relu")), optimizer="adam"),
    "residual in a residual": Frozen(
        _hidden(Dense(12, "tanh"), Residual(Dense(12, "relu"), Residual(RMSNorm(), Dense(12, "tanh"))), LayerNorm()),
        optimizer="momentum",
    ),
    "wide": Frozen(WIDE, optimizer="adam", batch=64, inputs=200),
    "wide at 1": Frozen(WIDE, batch=1, inputs=200),
    "wide at 3, nesterov": Frozen(WIDE, batch=3, inputs=200, optimizer="nesterov"),
    "wide at 300": Frozen(WIDE, optimizer="momentum", batch=300, inputs=200),
    "wide at 1100": Frozen(WIDE, batch=1100, inputs=200),
    "big at 1": Frozen(BIG, batch=1, inputs=784, optimizer="adamw"),
    "big": Frozen(BIG, inputs=784, optimizer="adam"),
    "mse": Frozen(RELU, loss="mse", target=_rows(-1, 1), batch=48),
    "mse, sums, at 900": Frozen(RELU, loss=fastnn.MSE(reduction="sum"), target=_rows(-1, 1), batch=900,
                                optimizer=fastnn.SGD(1e-4)),
    "hinge": Frozen(RELU, loss="hinge", target=_signs(-1)),
    "binary cross-entropy": Frozen((Dense(16, "tanh"), Dense(CLASSES, "sigmoid")), loss="binary_cross_entropy",
                                   target=_rows(0, 1)),
    "binary cross-entropy with logits": Frozen(RELU, loss="binary_cross_entropy_with_logits", target=_signs(0)),
    "perceptron": Frozen((Dense(CLASSES, "step"),), loss="perceptron", target=_signs(0)),
    "shares": Frozen(RELU, target=_shares),
    "class weights, ignored labels, smoothing": Frozen(
        RELU, loss=fastnn.CrossEntropy(class_weight=(1.0, 0.5, 2.0, 1.0, 3.0), label_smoothing=0.1),
        target=_some_ignored,
    ),
    "clipped, l2, cosine": Frozen(WIDE, inputs=200, optimizer=fastnn.Adam(
        0.01, clip_norm=0.1, l2=0.01, epsilon_hat=True, schedule=fastnn.Cosine(total=20, warmup=5))),
    "clipped, l2, chunks": Frozen(RELU, batch=513, optimizer=fastnn.Momentum(
        0.05, clip_norm=0.5, l2=0.1, weight_decay=0.01, schedule=fastnn.StepDecay(every=7))),
    "character LSTM": Frozen(
        tuple(fastnn.CharRNN(CLASSES, FEATURES, width=20).layers), optimizer="adam",
        target=lambda rng, rows: rng.integers(0, CLASSES, (rows, FEATURES)),
        rows=lambda rng, shape: rng.integers(0, CLASSES, shape),
    ),
}  # fmt: skip
CASES = [(name, dtype) for name in NETWORKS for dtype in ("float32", "float64")]


def parameters_after(name: str, dtype: str) -> bytes:
    """The parameters of a network after STEPS steps, without the padding between them, in the order of their names."""
    frozen = NETWORKS[name]
    rng = np.random.default_rng(len(name))
    net = Network(frozen.inputs, frozen.layers, loss=frozen.loss, dtype=dtype, seed=1)
    trainer = net.trainer(frozen.optimizer, frozen.batch)
    for _ in range(STEPS):
        x = frozen.rows(rng, (frozen.batch, frozen.inputs)).astype(dtype)
        trainer.step(x, frozen.target(rng, frozen.batch))
    return b"".join(net.named_parameters[name].tobytes() for name in sorted(net.named_parameters))


def digest(name: str, dtype: str) -> str:
    return hashlib.sha256(parameters_after(name, dtype)).hexdigest()[:32]


def processor() -> str:
    """The one that kernels are compiled for."""
    return str(numba.config.CPU_NAME or llvm.get_host_cpu_name())


def kept() -> dict[str, dict[str, str]]:
    """By KEY, then by case."""
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def are_kept() -> bool:
    return KEY in kept() and processor() in PROCESSORS


def main() -> None:
    made = {f"{name}, {dtype}": digest(name, dtype) for name, dtype in CASES}
    before = kept().get(KEY, {})
    for case, found in made.items():
        print(f"{'same' if before.get(case) == found else 'CHANGED' if case in before else 'new':8s}{found}  {case}")
    if "--keep" in sys.argv[1:]:
        FILE.write_text(json.dumps(kept() | {KEY: made}, indent=1) + "\n")


if __name__ == "__main__":
    main()
