"""What surrounds a process: forks after threads, flags of the processor that another library set, arrays that are
locked or lie in a file. Each in a process of its own."""

from __future__ import annotations

import platform

import needs
import pytest
from processes import run_python

FORK = """
import json, multiprocessing, warnings
import numpy as np
import fastnn
warnings.simplefilter("ignore", DeprecationWarning)
rng = np.random.default_rng(7)
small, x, y = fastnn.mlp(3, 4, 2, seed=0), rng.normal(size=(64, 3)).astype("f4"), rng.integers(0, 2, 64)
large, wide = fastnn.mlp(784, 512, 512, 10, seed=0), rng.normal(size=(256, 784)).astype("f4")
before, _ = small(x), large(wide)  # the second starts the threads
twin = small.copy()
twin.fit(x, y, epochs=3, seed=0)

def child(queue, work):
    net = small.copy()
    if work == "small":
        same = net(x).tobytes() == before.tobytes()
        net.fit(x, y, epochs=3, seed=0)
        queue.put(same and net.parameters.tobytes() == twin.parameters.tobytes())
    else:
        queue.put(bool(np.isfinite(large(wide)).all()))

found = []
for work in ("small", "large"):
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    process = context.Process(target=child, args=(queue, work))
    process.start()
    process.join(60)
    found.append("stuck" if process.is_alive() else queue.get() if process.exitcode == 0 else "ended")
    process.kill()
print(json.dumps(found))
"""

FLUSH = """
import json
import numba, numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
import fastnn

@intrinsic
def set_mode(typingctx, mode):
    def codegen(context, builder, signature, args):
        place = cgutils.alloca_once_value(builder, args[0])
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse.ldmxcsr")
        builder.call(function, [builder.bitcast(place, cgutils.voidptr_t)])
        return context.get_dummy_value()
    return types.void(types.uint32), codegen

@numba.njit
def flush_to_zero():
    set_mode(np.uint32(0x1F80 | 0x8040))

rng = np.random.default_rng(4)
net = fastnn.Network(512, [fastnn.Dense(512, bias=False)], loss="mse")
net.named_parameters["0.weight"][...] = rng.uniform(0.5, 1, (512, 512)) * 1e-21
x = (rng.uniform(0.5, 1, (512, 512)) * 1e-20).astype("f4")  # sums of 3e-39, which float32 has as subnormals alone
most = fastnn.get_num_threads()

def outputs():
    found = []
    for threads in (most, 1):
        fastnn.set_num_threads(threads)
        found.append(net(x))
    return found

several, one = outputs()
kept = bool((several == one).all() and (one != 0).all())
flush_to_zero()
flushed, gone = outputs()
print(json.dumps([kept, not gone.any(), bool(((flushed == one) | (flushed == 0)).all())]))
"""

LOCKED = """
import json, tempfile
import numba, numpy as np
import fastnn
from fastnn import tape
from fastnn.learning.training import train_step

net = fastnn.mlp(3, 4, 2, dtype="float64", seed=0)
rng = np.random.default_rng(0)
x, y = rng.standard_normal((8, 3)), rng.integers(0, 2, 8)
trainer = net.trainer("adam", 8)
arrays = trainer.tape, trainer.params, trainer.grads, trainer.state, trainer.control

@numba.njit
def simulate(tape_, params, grads, state, control, x, y, workspace):
    tape.forward(tape_, params, x, workspace)
    return train_step(tape_, params, grads, state, control, x, y, workspace)

file = tempfile.NamedTemporaryFile()
np.save(file.name + ".npy", x)
mapped = np.load(file.name + ".npy", mmap_mode="r")
locked, labels = x.copy(), y.copy()
locked.flags.writeable = labels.flags.writeable = False
found, begin = [], trainer.params.copy()
for a, b in ((x, y), (mapped, y), (locked, labels)):
    trainer.restore((begin, np.zeros_like(trainer.state), net.trainer("adam", 8).control))
    loss = simulate(*arrays, a, b, trainer.workspace)
    found.append((loss, trainer.params.tolist()))
print(json.dumps([each == found[0] for each in found]))
"""


@needs.compiled_kernels
def test_a_process_that_used_threads_may_fork() -> None:
    """Small networks give the same bits; large ones come to an end, whatever it is."""
    small, large = run_python(FORK)
    assert small is True
    assert large != "stuck"


@needs.compiled_kernels
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="needs an x86-64 processor")
def test_subnormals_are_kept_but_by_threads_that_somebody_told_to_flush_them() -> None:
    """Of the calling thread alone here: what other threads compute keeps them."""
    assert run_python(FLUSH) == [True, True, True]


@needs.compiled_kernels
def test_locked_arrays_and_files_in_memory_are_read_in_ones_own_function() -> None:
    assert run_python(LOCKED) == [True, True, True]
