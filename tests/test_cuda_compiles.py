"""Kernels of the CUDA target compile for a GPU, which the simulator cannot tell: it checks no types.

Needs numba-cuda and its compiler (the extra `cuda`), and no GPU.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

SOURCE = """
import json
from numba.cuda.cudadrv import devices

class Device:
    compute_capability = (9, 0)

class Context:
    device = Device()

# What a kernel calls is compiled for the device at hand.
devices.get_context = lambda *_: Context()
from numba import cuda, float32, float64, int64, boolean, types
cuda.dispatcher.get_current_device = lambda: Device()

from fastnn.cuda import ceilings, fused, optimizer, tiled
from fastnn.cuda.geometry import GPU

def array(number, dimensions=1):
    return types.Array(number, dimensions, "C")

d, i, b, doubles, whole = float64, int64, boolean, array(float64), array(int64)
found = {}

def compiled(name, kernel, *signature):
    ptx, _ = cuda.compile_ptx(kernel.py_func, signature, cc=(9, 0))
    counted = {"fma": "fma.rn.f32", "local": "ld.local", "vector": "ld.shared.v4", "mma": "mma.sync"}
    found[name] = {what: ptx.count(text) for what, text in counted.items()}

for number in (float32, float64):
    f, m = array(number), array(number, 2)
    makers = optimizer.make_sum_gradient, optimizer.make_update
    total, update = (make(GPU.update_threads, GPU.across) for make in makers)
    compiled(f"next_step {number}", optimizer.next_step, doubles)
    compiled(f"sum_gradient {number}", total, f, doubles, f, i, doubles, i, b)
    compiled(f"update {number}", update, f, f, f, i, b, doubles, doubles, doubles, i, b, doubles, i)
    compiled(f"multiply_add {number}", ceilings._make_fma(number), f, number)
    compiled(f"copy {number}", ceilings.copy, f, f)
    for target in (whole, m):
        kernels = tiled.make_kernels(number, GPU, target.ndim == 1)
        compiled(f"gather {number}", kernels.gather, f, i, m, whole, doubles, i, doubles, b)
        compiled(f"elementwise {number}", kernels.elementwise, f, i, i, i, i, d)
        compiled(f"bias_gradient {number}", kernels.bias_gradient, f, i, i, f, i, i, i, i)
        compiled(f"elementwise_backward {number}", kernels.elementwise_backward, f, i, i, i, i, i, i, d)
        compiled(f"lose {number}", kernels.lose, f, i, i, i, doubles, target, whole, doubles, i, i, i, i, doubles, i, i,
                 i, d)
        for block_rows in GPU.fused_rows:
            rows = fused.make_rows(number, GPU, block_rows, target.ndim == 1)
            compiled(f"rows {block_rows} {number}", rows, whole2, doubles, f, f, doubles, f, m, target, whole, doubles,
                     i, i, b)
for number, precision in ((float32, None), (float64, None), (float32, "tf32"), (float32, "bf16")):
    f = array(number)
    both = tiled.make_kernels(number, GPU, True, precision).products
    for size, products in zip(("large", "small"), both, strict=True):
        name = f"{size} {precision or number}"
        compiled(f"forward {name}", products.forward, f, i, i, i, f, i, i, i, i, i, i, i, d)
        compiled(f"gradient {name}", products.gradient, f, i, i, f, i, i, i, i, i, i)
        compiled(f"backward {name}", products.backward, f, i, i, f, i, i, i, i, i, i, i, d)
print(json.dumps(found))
""".replace("whole2", "array(int64, 2)")


@pytest.mark.skipif(find_spec("numba_cuda") is None, reason="needs the extra cuda")
def test_every_kernel_compiles_and_keeps_the_sums_of_a_product_in_registers() -> None:
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "0"}
    command = [sys.executable, "-W", "ignore", "-c", SOURCE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for rows in (32, 16, 8):
        # Of both products and the gradient, for 1, 2 and 4 columns.
        assert found[f"rows {rows} float32"]["local"] == 0
        assert found[f"rows {rows} float32"]["vector"] >= 15
    # Two terms of 8 x 8 sums, whose factors are read four at a time.
    assert found["gradient large float32"] == {"fma": 128, "local": 0, "vector": 8, "mma": 0}
    assert found["gradient small float32"] == {"fma": 32, "local": 0, "vector": 4, "mma": 0}
    for precision in ("tf32", "bf16"):
        # Two turns of 4 x 4 fragments.
        assert found[f"gradient large {precision}"] == {"fma": 0, "local": 0, "vector": 0, "mma": 32}
        assert all(found[f"{what} large {precision}"]["mma"] == 32 for what in ("forward", "backward"))
        assert all(found[f"{what} small {precision}"]["mma"] == 8 for what in ("forward", "gradient", "backward"))


@pytest.mark.skipif(find_spec("numba_cuda") is None, reason="needs the extra cuda")
def test_what_records_steps_is_there() -> None:
    from cuda import core
    from cuda.core.graph import Graph, GraphBuilder

    for owner, names in (
        (core.Device, ("create_graph_builder", "set_current")),
        (core.Stream, ("from_handle",)),
        (GraphBuilder, ("begin_building", "stream", "end_building", "complete")),
        (Graph, ("launch",)),
    ):
        assert not [name for name in names if not hasattr(owner, name)]
