"""What a model on paper takes: memory, FLOPs of a forward pass and of training, and the time on given hardware.

Training costs three forward passes: backward multiplies twice as much (the first layer's saving is left out, below
0.1 % at this scale). 6 N D, parameters times tokens, is the usual shorthand and stands beside. A time is FLOPs over
what all devices make at a given utilisation, the model FLOPs utilisation (MFU) that published runs report; and no less
than reading all weights once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fastnn import cost
from fastnn.edge.checks import as_count, as_number
from fastnn.paper.models import Hardware, Model
from fastnn.paper.transformer import Transformer

# Published: GPT-3 21 %, Gopher 33 %, PaLM 46 % (Chowdhery et al. 2022, table 3), Llama 3 38 to 43 %.
UTILISATION, LEAST_UTILISATION, MOST_UTILISATION = 0.4, 0.2, 0.55
# Adam in mixed precision (Rajbhandari et al. 2020, ZeRO): weights and gradients of 2 bytes, and in float32 a copy of
# the weights and two moments.
WEIGHT_BYTES, GRADIENT_BYTES, OPTIMIZER_BYTES = 2, 2, 12
BACKWARD = 2


@dataclass(frozen=True)
class Interval:
    """Seconds at the utilisation that was asked for, at the most and at the least that is published."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """Of one model; times are None without hardware, training None where its tokens are unknown."""

    params: int
    active_params: int
    estimate: bool
    rows: int
    macs: int
    flops: int
    step_flops: int
    training_tokens: float
    training_flops: float | None
    six_n_d: float | None
    weight_bytes: int
    gradient_bytes: int
    optimizer_bytes: int
    cache_bytes: int | None
    bytes: int
    forward_s: Interval | None
    step_s: Interval | None
    training_s: Interval | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def estimate(
    model: Model, rows: int, hardware: Hardware | None = None, devices: int = 1, utilisation: float = UTILISATION
) -> Estimate:
    """rows: tokens of one sequence, or images. bytes: read for one pass. ValueError, TypeError on bad input."""
    rows, devices = as_count(rows, "rows"), as_count(devices, "devices")
    if not as_number(utilisation, "utilisation", 0.0, 1.0) > 0:
        raise ValueError("utilisation is 0; expected a share of the peak, such as 0.4")
    if isinstance(model.shape, Transformer) and rows > model.shape.context:
        raise ValueError(f"{rows:,} tokens are more than the context of {model.name}, {model.shape.context:,}")
    macs = model.forward_macs(rows)
    flops, weights = 2 * macs, WEIGHT_BYTES * model.parameters
    step_flops = (1 + BACKWARD) * flops
    tokens = model.training_tokens
    training = tokens * step_flops / rows if tokens else None
    pace = None if hardware is None else _Pace(hardware, devices, utilisation)
    read = WEIGHT_BYTES * model.active_parameters
    return Estimate(
        params=model.parameters, active_params=model.active_parameters, estimate=model.estimate, rows=rows, macs=macs,
        flops=flops, step_flops=step_flops, training_tokens=tokens, training_flops=training,
        six_n_d=float(cost.six_n_d(model.active_parameters, round(tokens))) if tokens else None,
        weight_bytes=weights, gradient_bytes=GRADIENT_BYTES * model.parameters,
        optimizer_bytes=OPTIMIZER_BYTES * model.parameters,
        cache_bytes=model.shape.cache_bytes(rows, WEIGHT_BYTES) if isinstance(model.shape, Transformer) else None,
        bytes=read,
        forward_s=pace.time(flops, read) if pace else None, step_s=pace.time(step_flops, read) if pace else None,
        training_s=pace.time(training, 0) if pace and training else None,
    )  # fmt: skip


@dataclass(frozen=True)
class _Pace:
    hardware: Hardware
    devices: int
    utilisation: float

    def time(self, flops: float, moved: float) -> Interval:
        """Of so many FLOPs on all devices, each reading its share of so many bytes."""
        peak, floor = self.devices * self.hardware.flops_per_s, moved / (self.devices * self.hardware.bytes_per_s)
        best, worst = max(MOST_UTILISATION, self.utilisation), min(LEAST_UTILISATION, self.utilisation)
        median, low, high = (max(flops / peak / share, floor) for share in (self.utilisation, best, worst))
        return Interval(median, low, high)


def devices_needed(found: Estimate, hardware: Hardware, training: bool) -> int:
    """Devices whose memory holds the model, with gradients and optimizer where it trains; activations not counted."""
    held = found.weight_bytes + (found.gradient_bytes + found.optimizer_bytes if training else found.cache_bytes or 0)
    return max(1, -int(-held // hardware.memory))
