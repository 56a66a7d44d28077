"""ONNX Runtime, forward only: a graph of Gemm and Relu whose weights are constants, its input and output bound.

Bound, a call of 3-4-2 takes 2.7 us; InferenceSession.run, which makes an output each time, 3.7.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, helper, numpy_helper
from onnxruntime import InferenceSession, OrtValue, SessionOptions

from fastnn.bench.peers.task import Task

Array = NDArray[Any]

# The first with all that is needed in float64 too, and a file format of its time: any runtime since 2022 reads them.
OPSET, IR_VERSION = 17, 8


def network(weights: list[Array], biases: list[Array], batch: int) -> ModelProto:
    """x (B, I) -> logits (B, O)."""
    nodes, constants, name = [], [], "x"
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        last = i == len(weights) - 1
        constants += [numpy_helper.from_array(weight, f"w{i}"), numpy_helper.from_array(bias, f"b{i}")]
        z = "logits" if last else f"z{i}"
        nodes.append(helper.make_node("Gemm", [name, f"w{i}", f"b{i}"], [z]))
        if not last:
            name = f"y{i}"
            nodes.append(helper.make_node("Relu", [z], [name]))
    kind = helper.np_dtype_to_tensor_dtype(weights[0].dtype)
    x = helper.make_tensor_value_info("x", kind, [batch, len(weights[0])])
    logits = helper.make_tensor_value_info("logits", kind, [batch, len(biases[-1])])
    graph = helper.make_graph(nodes, "mlp", [x], [logits], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


class Model:
    """See fastnn.bench.peers.worker.Peer."""

    def __init__(self, task: Task) -> None:
        self._network = network(task.weights, task.biases, task.batch).SerializeToString()
        self._threads = task.threads
        self._logits = OrtValue.ortvalue_from_numpy(np.empty((task.batch, len(task.biases[-1])), task.weights[0].dtype))

    @cached_property
    def _session(self) -> Any:
        """Made, which optimizes the graph, in the first call."""
        options = SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self._threads, 1
        return InferenceSession(self._network, options, providers=["CPUExecutionProvider"])

    @cached_property
    def _binding(self) -> Any:
        binding = self._session.io_binding()
        binding.bind_ortvalue_output("logits", self._logits)
        return binding

    def prepare(self, x: Array, y: Array) -> OrtValue:
        return OrtValue.ortvalue_from_numpy(x)

    def wait(self) -> None:
        """Every call has ended when it returns."""

    def forward(self, batch: OrtValue) -> OrtValue:
        self._binding.bind_ortvalue_input("x", batch)
        self._session.run_with_iobinding(self._binding)
        return self._logits

    def logits(self, output: OrtValue) -> Array:
        return output.numpy()  # type: ignore[no-any-return]
