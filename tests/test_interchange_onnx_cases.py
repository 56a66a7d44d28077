"""Cases and models that ship with onnx: all whose attributes fastnn has are computed, others are refused by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import needs
import numpy as np
import numpy.typing as npt
import pytest

from fastnn import FileError, from_onnx

onnx: Any = needs.package("onnx")

Array = npt.NDArray[Any]

# Of nodes that stand for layers.
IMAGES = (
    "Conv", "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool", "BatchNormalization", "GroupNormalization",
    "InstanceNormalization",
)  # fmt: skip
RECURRENT = ("RNN", "LSTM", "GRU")
OTHERS = (
    "Flatten", "Gemm", "MatMul", "LayerNormalization", "RMSNormalization", "Relu", "LeakyRelu", "PRelu", "Elu", "Tanh",
    "Sigmoid", "Softplus", "Gelu", "Swish", "Softmax", "LogSoftmax",
)  # fmt: skip
# The version that the tables are of. Others have other cases.
VERSION = "1.23"
# By what is said of them, without test_; the expected values of the one are rounded to four digits.
ROUNDED = {"averagepool_2d_ceil_last_window_starts_on_pad": 1e-4}
NODES = {
    "its windows have 3 sides": """
        averagepool_3d_default averagepool_3d_dilations_small maxpool_3d_default maxpool_3d_dilations
        averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_True
        averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_False
        averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True
        averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_False
        maxpool_3d_dilations_use_ref_impl maxpool_3d_dilations_use_ref_impl_large""",
    "its auto_pad is 'SAME_UPPER' and its pads are [0, 0, 1, 1]": "averagepool_2d_same_upper maxpool_2d_same_upper",
    "its auto_pad is 'SAME_LOWER' and its pads are [1, 1, 0, 0]": "averagepool_2d_same_lower maxpool_2d_same_lower",
    "padding is (2, 2); expected at most half of kernel_size": """
        averagepool_2d_pads averagepool_2d_pads_count_include_pad maxpool_2d_pads""",
    "its ceil_mode is 1, and windows would end behind rows": "averagepool_2d_ceil maxpool_2d_ceil",
    "its dilations is [2, 2]": "averagepool_2d_dilations maxpool_2d_dilations",
    "its training_mode is 1; expected 0": "batchnorm_epsilon_training_mode batchnorm_example_training_mode",
    "its direction is 'reverse'": "gru_reverse lstm_reverse simple_rnn_reverse",
    "its P is given": "lstm_with_peepholes",
    "its Y_c is taken, the last cell": "lstm_bidirectional",
    "its axis is": """
        flatten_axis0 flatten_axis2 flatten_axis3 flatten_negative_axis4 flatten_negative_axis2 flatten_negative_axis1
        layer_normalization_4d_axis0 layer_normalization_4d_axis1 layer_normalization_4d_axis2
        layer_normalization_4d_axis_negative_4 layer_normalization_4d_axis_negative_3
        layer_normalization_4d_axis_negative_2 layer_normalization_3d_axis0_epsilon layer_normalization_3d_axis1_epsilon
        layer_normalization_3d_axis_negative_3_epsilon layer_normalization_3d_axis_negative_2_epsilon
        layer_normalization_2d_axis0 layer_normalization_2d_axis_negative_2
        rms_normalization_4d_axis0 rms_normalization_4d_axis1 rms_normalization_4d_axis2
        rms_normalization_4d_axis_negative_4 rms_normalization_4d_axis_negative_3 rms_normalization_4d_axis_negative_2
        rms_normalization_3d_axis0_epsilon rms_normalization_3d_axis1_epsilon
        rms_normalization_3d_axis_negative_3_epsilon rms_normalization_3d_axis_negative_2_epsilon
        rms_normalization_2d_axis0 rms_normalization_2d_axis_negative_2""",
    "the output Mean is not the first of its node": """
        layer_normalization_4d_axis3 layer_normalization_4d_axis_negative_1 layer_normalization_default_axis
        layer_normalization_2d_axis1 layer_normalization_2d_axis_negative_1 layer_normalization_3d_axis2_epsilon
        layer_normalization_3d_axis_negative_1_epsilon""",
    "the output z is not the first of its node": """
        maxpool_with_argmax_2d_precomputed_pads maxpool_with_argmax_2d_precomputed_strides""",
    "expected the last axis, or of images the channels": """
        logsoftmax_axis_0 logsoftmax_axis_1 softmax_axis_0 softmax_axis_1""",
    "it adds a constant of shape (3, 4)": "gemm_default_matrix_bias",
    "it takes no rows (N, features)": "gemm_transposeA gemm_all_attributes",
    "expected two dimensions": "matmul_3d matmul_4d matmul_bcast matmul_1d_3d matmul_4d_1d matmul_1d_1d",
    "expected one number": "prelu_example prelu_broadcast",
    "which would say the number of inputs": """
        elu_example gelu_tanh_1 gelu_default_1 leakyrelu_example sigmoid_example softplus_example swish tanh_example""",
    "which would say the dtype": "maxpool_2d_uint8",
}
MODELS = {
    "its windows have 3 sides": """
        AvgPool3d AvgPool3d_stride AvgPool3d_stride1_pad0_gpu_input Conv3d Conv3d_dilated Conv3d_dilated_strided
        Conv3d_groups Conv3d_no_bias Conv3d_stride Conv3d_stride_padding MaxPool3d MaxPool3d_stride
        MaxPool3d_stride_padding""",
    "rows are (3, 4, 4, 4); expected (C, H, W), or (C, T)": "BatchNorm3d_eval BatchNorm3d_momentum_eval",
    "its dilations is [10": "MaxPool1d_stride_padding_dilation MaxPool2d_stride_padding_dilation",
    "expected one number": """
        PReLU_1d_multiparam PReLU_2d_multiparam PReLU_3d_multiparam PoissonNLLLLoss_no_reduce operator_pow""",
    "it takes a part of axis 0": "operator_index",
    "it adds a constant of shape": "operator_add_size1_broadcast operator_non_float_params operator_params",
    "ends a formula that is none of fastnn's activations": """
        GLU Softmin operator_addconstant operator_basic operator_exp gradient_of_add gradient_of_add_and_mul""",
    "depends on the data; expected a constant": "operator_addmm",
    "it splits axis": "GLU_dim operator_chunk",
    "it takes the mean along": "operator_reduced_mean operator_reduced_mean_keepdim",
    "it makes the shape": "PixelShuffle operator_repeat_dim_overflow",
    "its perm is": "operator_permute2",
    "it takes data; expected constants": """
        operator_concat2 expand_shape_model1 expand_shape_model2 expand_shape_model3
        expand_shape_model4""",
    "which would say the number of inputs": "operator_view",
    "no layer of fastnn does what it does": """
        ConstantPad2d ReflectionPad2d ReplicationPad2d ZeroPad2d operator_pad ConvTranspose2d ConvTranspose2d_no_bias
        operator_convtranspose SELU operator_selu Softsign operator_clip operator_max operator_min
        operator_reduced_sum operator_reduced_sum_keepdim
        operator_repeat operator_sqrt operator_symbolic_override_nested shrink sign_model
        sequence_model1 sequence_model2 sequence_model3 sequence_model4 sequence_model5 sequence_model6
        sequence_model7 sequence_model8
        strnorm_model_monday_casesensintive_lower strnorm_model_monday_casesensintive_nochangecase
        strnorm_model_monday_casesensintive_upper strnorm_model_monday_empty_output
        strnorm_model_monday_insensintive_upper_twodim strnorm_model_nostopwords_nochangecase""",
}


class Case(NamedTuple):
    """inputs: the data, and what is a constant to fastnn. right: one for each output of the graph."""

    model: Any
    inputs: Sequence[Array]
    right: Sequence[Array]


def node_cases() -> dict[str, Case]:
    from onnx.backend.test.case.node import collect_testcases

    with np.errstate(all="ignore"):
        found = collect_testcases(None)
    return {
        case.name.removeprefix("test_"): Case(case.model, *case.data_sets[0])
        for case in found
        if [node.op_type in IMAGES + RECURRENT + OTHERS for node in case.model.graph.node] == [True]
        and "expanded" not in case.name
    }


def models() -> dict[str, Case]:
    """What PyTorch made, years ago, and others, by hand."""
    data = Path(onnx.__file__).parent / "backend/test/data"
    folders = [path.parent for kind in ("pytorch-*", "simple") for path in sorted(data.glob(f"{kind}/*/model.onnx"))]
    found = {}
    for folder in folders:
        model = onnx.load(folder / "model.onnx")
        arrays = [_arrays(folder / "test_data_set_0", kind) for kind in ("input", "output")]
        found[folder.name.removeprefix("test_")] = Case(model, *arrays)
    return found


def _arrays(folder: Path, kind: str) -> list[Array]:
    found = []
    for number in range(len([*folder.glob(f"{kind}_*.pb")])):
        content = (folder / f"{kind}_{number}.pb").read_bytes()
        try:
            found.append(onnx.numpy_helper.to_array(onnx.TensorProto.FromString(content)))
        except Exception:  # a sequence of tensors, which no network takes
            return []
    return found


def outcome(case: Case, path: Path, tolerance: float) -> str:
    """What is said of it; nothing where fastnn computes all its outputs."""
    model = onnx.ModelProto.FromString(case.model.SerializeToString())
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    data, *others = [value.name for value in graph.input if value.name not in constants] or [""]
    for name, values in zip(others, case.inputs[1:], strict=False):
        graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(values), name))
    onnx.save(model, path)
    loss = "cross_entropy" if "oftmax" in graph.node[-1].op_type else "mse"
    try:
        networks = [from_onnx(path, loss, output=output.name) for output in graph.output]
    except FileError as error:
        return str(error)
    x, takes_images, positions_first = case.inputs[0], *_kind(graph)
    for network, right in zip(networks, case.right, strict=True):
        rows, expected = (_rows_of(values, takes_images, positions_first) for values in (x, right))
        rows = rows.reshape(len(rows), *network.input_shape)
        y = network(rows) if loss == "mse" else network.predict_proba(rows)
        y = np.log(y) if graph.node[-1].op_type == "LogSoftmax" else y
        np.testing.assert_allclose(y, expected.reshape(y.shape), rtol=1e-5, atol=tolerance, err_msg=data)
    return ""


def _kind(graph: Any) -> tuple[bool, bool]:
    """Whether it takes images, or positions before rows."""
    used = {node.op_type for node in graph.node}
    layouts = [item.i for node in graph.node for item in node.attribute if item.name == "layout"]
    return bool(used & {*IMAGES}), bool(used & {*RECURRENT}) and layouts != [1]


def _rows_of(values: Array, images: bool, positions_first: bool) -> Array:
    """As fastnn has them: (N, ..., C), (N, T, C), (N, T, D C), (N, D C)."""
    if images and values.ndim > 2:
        return np.moveaxis(values, 1, -1)
    if not positions_first:
        return values
    return values.transpose(2, 0, 1, 3) if values.ndim == 4 else values.swapaxes(0, 1)


def require_outcomes(cases: Mapping[str, Case], table: Mapping[str, str], path: Path) -> int:
    """Of each: it is computed, or refused as the table has it. The number of those that are computed."""
    expected = {name: said for said, names in table.items() for name in names.split()}
    told = {name: outcome(case, path, ROUNDED.get(name, 1e-6)) for name, case in cases.items()}
    refused = {name: said for name, said in told.items() if said}
    found = {name: wanted if (wanted := expected.get(name, said)) in said else said for name, said in refused.items()}
    if not onnx.__version__.startswith(VERSION):
        expected = {name: said for name, said in expected.items() if name in cases}
    assert found == expected
    return len(told) - len(refused)


def test_node_cases_are_computed_or_refused_by_name(tmp_path: Path) -> None:
    assert require_outcomes(node_cases(), NODES, tmp_path / "case.onnx") >= 60


def test_models_that_ship_with_onnx_are_computed_or_refused_by_name(tmp_path: Path) -> None:
    assert require_outcomes(models(), MODELS, tmp_path / "model.onnx") >= 49


@pytest.mark.parametrize("wrong", ["computed", "refused for another reason", "refused and not in the table"])
def test_the_tables_are_held_exactly(wrong: str, tmp_path: Path) -> None:
    cases = {name: case for name, case in node_cases().items() if name in ("gru_reverse", "gru_defaults")}
    tables = {
        "computed": {"its direction": "gru_reverse", "its P is given": "gru_defaults"},
        "refused for another reason": {"its P is given": "gru_reverse"},
        "refused and not in the table": {},
    }
    assert require_outcomes(cases, {"its direction": "gru_reverse"}, tmp_path / "case.onnx") == 1
    with pytest.raises(AssertionError):
        require_outcomes(cases, tables[wrong], tmp_path / "case.onnx")
