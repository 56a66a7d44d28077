"""Documents of fastnn-machine/1 of made-up machines, and times that networks would take there."""

from __future__ import annotations

import json
from typing import Any

from fastnn import cost
from fastnn.bench.calibration import kept
from fastnn.simd.host import UNIT
from fastnn.study.layered import FAMILIES
from fastnn.study.layered_model import LEAST_NETWORKS, LayeredModel
from fastnn.study.machine_model import MachineModel
from fastnn.study.work import Call

# Seconds of a call, and FLOP/s of one thread.
CALL_S, RATE = 1e-6, 1e10


def made_up_time(call: Call) -> float:
    """A microsecond and what 10 GFLOP/s a thread make of the multiply-adds."""
    step = cost.multilayer_perceptron(call.sizes, call.batch, itemsize=call.itemsize)
    flops = (step.forward if call.phase == "forward" else step.total).flops
    return CALL_S + flops / RATE / call.threads


def machine_document(dtype: str = "float32", threads: tuple[int, ...] = (1, 2), **machine: Any) -> dict[str, Any]:
    """Of a machine like this one, whose forward pass takes 1 us and 0.5 a layer, whose step 2 us and 1.5 a layer;
    of other layers a forward pass takes 1 ms, a step 3."""
    costs = {"call, forward": 1000.0, "call, step": 2000.0, "layer, forward": 500.0, "layer, backward": 1000.0}
    errors = {(phase, count): (-0.1, 0.0, 0.2) for phase in ("forward", "step") for count in threads}
    layered = LayeredModel(
        {"call, forward": 1e6, "call, step": 3e6},
        {key: (-0.1, *(LEAST_NETWORKS - 2) * [0.0], 0.2) for key in errors},
    )
    document = {
        "schema": kept.SCHEMA,
        "date": "2026-01-01T00:00:00+00:00",
        "effort": "fast",
        "identity": kept.identity(),
        "machine": {"cpu": "Made-up CPU", "vector_unit": UNIT.name, **machine},
        "ceilings": [],
        "model": MachineModel(dtype, (2**15, 2**20, 2**25), 1e9, costs, errors).as_dict(),
        **{family.name: layered.as_dict() for family in FAMILIES},
    }
    return dict(json.loads(json.dumps(document)))
