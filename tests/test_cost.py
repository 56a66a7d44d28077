"""The cost model against published counts, operations counted one by one, and the sizes of the arrays
that move."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from counting import Array, Tally, values

from fastnn import cost
from fastnn.cost import Cost
from fastnn.kernels import activation as kernels
from fastnn.kernels.optimizer import STATE
from fastnn.reference import activation, dense, loss, network, optimizer, softmax

SHAPES = [(1, 1, 1), (1, 3, 2), (2, 1, 3), (3, 4, 1), (5, 3, 4)]  # (B, I, O)
ELEMENTWISE_LOSSES = sorted(set(cost.LOSSES) - {"cross_entropy"})


def random(*shape: int) -> Array:
    return np.random.default_rng(sum(shape) + len(shape)).uniform(0.1, 0.9, shape)


def assert_counts(tally: Tally, expected: Cost, product_outputs: int = 0) -> None:
    """Counted operations equal the model's; by hand, each product output takes one addition less than
    MACs."""
    assert tally.flops == expected.flops - product_outputs
    assert tally.transcendentals == expected.transcendentals


# Published counts


@pytest.mark.parametrize(
    ("sizes", "parameters", "forward_macs", "ratio", "step_flops"),
    [
        ((3, 4, 2), 26, 20, 1.40, 96),
        ((3, 4, 4, 2), 46, 36, None, None),
        ((784, 128, 10), 101_770, 101_632, 1.0126, 409_088),
        ((784, 256, 128, 10), 235_146, 234_752, 1.145, 1_007_104),
    ],
)
def test_multilayer_perceptron_has_the_published_counts(
    sizes: Sequence[int], parameters: int, forward_macs: int, ratio: float | None, step_flops: int | None
) -> None:
    step = cost.multilayer_perceptron(sizes, batch=1)
    assert cost.parameter_count(sizes) == parameters
    assert step.forward.macs == forward_macs
    if ratio is not None:
        digits = len(str(ratio).split(".")[1])
        assert round(step.backward.macs / step.forward.macs, digits) == ratio
        assert step.total.flops_matmul == step_flops


def test_batch_multiplies_the_products() -> None:
    one, many = (cost.multilayer_perceptron((784, 128, 10), batch=batch).total.macs for batch in (1, 32))
    assert many == 32 * one


def test_product_flops_are_those_of_torch_flop_counter() -> None:
    assert cost.product(4, 6, 5).flops_matmul == 240
    assert (cost.product(4, 6, 5) * 3).flops_matmul == 720


@pytest.mark.parametrize(("sizes", "percent"), [((3, 4, 2), 63), ((784, 128, 10), 49)])
def test_six_n_d_overstates_a_training_step_by_the_published_percentage(sizes: Sequence[int], percent: int) -> None:
    model = cost.six_n_d(cost.parameter_count(sizes), samples=7)
    exact = cost.multilayer_perceptron(sizes, batch=7).total.flops_matmul
    assert 100 * (model / exact - 1) == pytest.approx(percent, abs=0.5)


# Counted operations


@pytest.mark.parametrize(("m", "k", "n"), SHAPES)
def test_product_makes_macs_multiplications_and_macs_less_outputs_additions(m: int, k: int, n: int) -> None:
    tally = Tally()
    tally.array(random(m, k)) @ tally.array(random(k, n))
    expected = cost.product(m, n, k)
    assert tally.muls == expected.macs
    assert tally.adds == expected.macs - m * n
    assert tally.flops == tally.muls + tally.adds


@pytest.mark.parametrize("name", cost.ACTIVATION_VALUE)
def test_activation_value_counts(name: str) -> None:
    tally = Tally()
    z = random(5) - 0.5
    y = activation.value(name, tally.array(z))
    assert_counts(tally, cost.activation_forward(name, 5))
    # math and NumPy differ in the last bit of tanh and log1p.
    np.testing.assert_allclose(values(y), activation.value(name, z), rtol=4 * np.finfo(float).eps)


@pytest.mark.parametrize("name", activation.DERIVATIVES)
def test_activation_derivative_counts(name: str) -> None:
    z = random(5) - 0.5
    y = activation.value(name, z)
    tally = Tally()
    dz = activation.derivative(name, tally.array(z), tally.array(y))
    if name != "identity":  # whose dz is dy: no product with ones
        dz = tally.array(random(5)) * dz
    assert_counts(tally, cost.activation_backward(name, 5))


def test_activation_tables_name_what_the_reference_names() -> None:
    assert set(cost.ACTIVATION_VALUE) == set(activation.VALUES)
    assert set(cost.ACTIVATION_DERIVATIVE) == set(activation.VALUES)
    assert set(cost.LOSSES) == set(network.LOSSES)
    assert set(cost.UPDATES) == set(optimizer.UPDATES)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", ["identity", "step", "sigmoid", "relu", "gelu"])
@pytest.mark.parametrize(("batch", "inputs", "outputs"), SHAPES)
def test_dense_counts(batch: int, inputs: int, outputs: int, name: str, bias: bool) -> None:
    tally = Tally()
    x, w = tally.array(random(batch, inputs)), tally.array(random(inputs, outputs))
    b = tally.array(random(outputs)) if bias else None
    z, y = dense.forward(x, w, b, name)
    forward = cost.dense_forward(batch, inputs, outputs, name, bias=bias)
    assert_counts(tally, forward, product_outputs=batch * outputs)

    for input_gradient in (True, False):
        tally = Tally()
        dy, x, w, z, y = (tally.array(values(array)) for array in (y, x, w, z, y))
        dense.backward(dy, x, w, z, y, name, input_gradient=input_gradient)
        backward = cost.dense_backward(batch, inputs, outputs, name, input_gradient=input_gradient)
        assert_counts(tally, backward, inputs * outputs + input_gradient * batch * inputs)
        without = cost.dense_backward(batch, inputs, outputs, name, 4, input_gradient, bias=False)
        assert backward.flops - without.flops == (batch - 1) * outputs


@pytest.mark.parametrize(("batch", "classes"), [(1, 1), (1, 4), (3, 2), (5, 7)])
def test_softmax_and_cross_entropy_counts(batch: int, classes: int) -> None:
    tally = Tally()
    softmax.softmax(tally.array(random(batch, classes)))
    assert_counts(tally, cost.softmax(batch, classes))
    tally = Tally()
    loss.cross_entropy(tally.array(random(batch, classes)), np.arange(batch) % classes)
    assert_counts(tally, cost.cross_entropy(batch, classes))


@pytest.mark.parametrize("name", ELEMENTWISE_LOSSES)
@pytest.mark.parametrize(("batch", "outputs"), [(1, 1), (1, 3), (3, 1), (5, 3)])
def test_elementwise_loss_counts(name: str, batch: int, outputs: int) -> None:
    tally = Tally()
    # Inside (0, 1): probabilities for binary_cross_entropy, and no zero of hinge's maximum, which would
    # be a plain number.
    network.LOSSES[name](tally.array(random(batch, outputs)), tally.array(random(outputs, batch).T))
    assert_counts(tally, cost.LOSSES[name](batch, outputs, 8))


@pytest.mark.parametrize("name", cost.UPDATES)
@pytest.mark.parametrize("n", [1, 5])
def test_update_counts(name: str, n: int) -> None:
    tally = Tally()
    state = tuple(tally.array(random(n)) for _ in optimizer.initial_state(name, np.zeros(n)))
    optimizer.UPDATES[name](tally.array(random(n)), tally.array(random(n)), state, 3, 0.1)
    assert_counts(tally, cost.update(name, n))


def counted_layers(tally: Tally, sizes: Sequence[int], activations: Sequence[str]) -> list[network.Layer]:
    return [
        network.Layer(tally.array(random(i, o) - 0.5), tally.array(random(o) - 0.5), name)
        for i, o, name in zip(sizes[:-1], sizes[1:], activations, strict=True)
    ]


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(
    ("sizes", "hidden", "output", "loss_name", "optimizer_name"),
    [
        ((3, 2), "relu", "identity", "cross_entropy", "sgd"),
        ((3, 4, 2), "relu", "identity", "cross_entropy", "sgd"),
        ((3, 4, 2), "tanh", "sigmoid", "binary_cross_entropy", "momentum"),
        ((2, 5, 1), "silu", "identity", "binary_cross_entropy_with_logits", "nesterov"),
        ((3, 4, 4, 2), "gelu_tanh", "softplus", "mse", "adam"),
        ((2, 3, 3, 1), "leaky_relu", "tanh", "hinge", "adamw"),
        ((3, 1), "relu", "step", "perceptron", "sgd"),
    ],
)
def test_whole_network_counts(
    sizes: Sequence[int], hidden: str, output: str, loss_name: str, optimizer_name: str, batch: int
) -> None:
    model = cost.multilayer_perceptron(sizes, batch, hidden, output, loss_name, optimizer_name)
    activations = [hidden] * (len(sizes) - 2) + [output]
    x, target = random(batch, sizes[0]), random(batch, sizes[-1])
    forward_outputs = batch * sum(sizes[1:])
    weights = cost.parameter_count(sizes) - sum(sizes[1:])
    backward_outputs = weights + batch * sum(sizes[1:-1])

    tally = Tally()
    network.forward(counted_layers(tally, sizes, activations), tally.array(x))
    assert_counts(tally, model.forward, forward_outputs)

    tally = Tally()
    labels = np.arange(batch) % sizes[-1] if loss_name == "cross_entropy" else tally.array(target)
    layers = counted_layers(tally, sizes, activations)
    network.loss_and_gradient(layers, loss_name, tally.array(x), labels)
    until_update = model.forward + model.loss + model.backward
    assert_counts(tally, until_update, forward_outputs + backward_outputs)

    tally.clear()
    state = optimizer.initial_state(optimizer_name, np.zeros(cost.parameter_count(sizes)))
    counted_state = tuple(tally.array(array) for array in state)
    network.step(layers, loss_name, tally.array(x), labels, optimizer_name, counted_state)
    assert_counts(tally, model.total, forward_outputs + backward_outputs)


# Bytes


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("batch", "inputs", "outputs"), SHAPES)
def test_bytes_are_those_of_the_arrays_that_move(
    batch: int, inputs: int, outputs: int, dtype: type[np.floating]
) -> None:
    x, w, b = np.zeros((batch, inputs), dtype), np.zeros((inputs, outputs), dtype), np.zeros(outputs, dtype)
    y, label = np.zeros((batch, outputs), dtype), np.zeros(batch, np.int64)
    shape, itemsize = (batch, inputs, outputs), x.itemsize
    z = dy = y
    expected = [
        (cost.product(batch, outputs, inputs, itemsize), [x, w, y]),
        (cost.activation_forward("gelu", y.size, itemsize), [z, y]),
        (cost.activation_forward("identity", y.size, itemsize), []),
        (cost.activation_backward("tanh", y.size, itemsize), [dy, y, dy]),
        (cost.activation_backward("silu", y.size, itemsize), [dy, z, dy]),
        (cost.activation_backward("identity", y.size, itemsize), []),
        (cost.dense_forward(*shape, "identity", itemsize), [x, w, b, y]),
        (cost.dense_forward(*shape, "relu", itemsize), [x, w, b, y]),
        (cost.dense_forward(*shape, "gelu", itemsize), [x, w, b, z, y]),
        (cost.dense_forward(*shape, "gelu", itemsize, bias=False), [x, w, z, y]),
        (cost.dense_backward(*shape, "identity", itemsize), [dy, x, w, w, b, x]),
        (cost.dense_backward(*shape, "relu", itemsize), [dy, y, x, w, w, b, x]),
        (cost.dense_backward(*shape, "silu", itemsize, input_gradient=False), [dy, z, x, w, b]),
        (cost.dense_backward(*shape, "relu", itemsize, False, bias=False), [dy, y, x, w]),
        (cost.softmax(batch, outputs, itemsize), [z, y]),
        (cost.cross_entropy(batch, outputs, itemsize), [z, label, dy]),
        *((cost.LOSSES[name](batch, outputs, itemsize), [y, y, dy]) for name in ELEMENTWISE_LOSSES),
        (cost.update("sgd", w.size, itemsize), [w] * 3),
        (cost.update("momentum", w.size, itemsize), [w] * 5),
        (cost.update("nesterov", w.size, itemsize), [w] * 5),
        (cost.update("adam", w.size, itemsize), [w] * 7),
        (cost.update("adamw", w.size, itemsize), [w] * 7),
    ]
    for model, arrays in expected:
        assert model.bytes == sum(array.nbytes for array in arrays)


@pytest.mark.parametrize("name", cost.UPDATES)
def test_an_update_moves_the_state_that_the_kernels_keep(name: str) -> None:
    assert cost.update(name, 1, itemsize=1).bytes == 3 + 2 * STATE[name]


@pytest.mark.parametrize("name", cost.ACTIVATION_VALUE)
def test_dense_forward_writes_z_exactly_where_the_kernels_need_it_again(name: str) -> None:
    keeps_z = kernels.NAMES.index(name) in kernels.NEEDS_Z
    extra = cost.dense_forward(5, 3, 4, name, 8).bytes - cost.dense_forward(5, 3, 4, "identity", 8).bytes
    assert extra == (5 * 4 * 8 if keeps_z else 0)


def test_bytes_of_a_training_step_are_the_sum_over_its_operations() -> None:
    # 3-4-2, batch 5, float32: x 15, hidden 20, output 10 numbers; parameters 12 + 4 and 8 + 2.
    step = cost.multilayer_perceptron((3, 4, 2), 5, itemsize=4)
    assert step.forward.bytes == 4 * ((15 + 12 + 4 + 20) + (20 + 8 + 2 + 10))
    assert step.loss.bytes == 4 * (10 + 10) + 8 * 5
    assert step.backward.bytes == 4 * ((10 + 20 + 8 + 8 + 2 + 20) + (20 + 20 + 15 + 12 + 4))
    assert step.update.bytes == 4 * 3 * 26
    # No gradient is written or read, and the second weight is read once for both its input gradient and its update.
    assert step.saved_bytes == 4 * (26 + 26 + 8)
    phases = (step.forward, step.loss, step.backward, step.update)
    assert step.total.bytes == sum(part.bytes for part in phases) - step.saved_bytes


# Sizes at the edge and bad input


def test_a_cost_adds_and_multiplies_in_each_field() -> None:
    assert Cost(1, 2, 3, 4) + Cost(10, 20, 30, 40) * 2 == Cost(21, 42, 63, 84)
    assert Cost(1, 2, 3, 4).flops == 4


def test_an_empty_batch_moves_the_weights_and_computes_nothing() -> None:
    assert cost.dense_forward(0, 3, 2, "relu", 4) == Cost(bytes=4 * (6 + 2))
    assert cost.dense_backward(0, 3, 2, "relu", 4) == Cost(bytes=4 * (6 + 6 + 2))
    assert cost.cross_entropy(0, 3) == cost.mse(0, 3) == cost.softmax(0, 3) == Cost()


def test_counts_of_fixed_width_integers_do_not_overflow() -> None:
    wide = np.int32(100_000)
    assert cost.product(wide, wide, wide).macs == 10**15  # type: ignore[arg-type]
    assert cost.parameter_count([wide, wide]) == 10**10 + 10**5  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cost.product(-1, 2, 3), "expected m to be at least 0; got -1"),
        (lambda: cost.dense_forward(2, -3, 4), "expected inputs to be at least 0; got -3"),
        (lambda: cost.dense_backward(2, 3, -4), "expected outputs to be at least 0; got -4"),
        (lambda: cost.softmax(2, 0), "expected classes to be at least 1; got 0"),
        (lambda: cost.cross_entropy(-2, 3), "expected batch to be at least 0; got -2"),
        (lambda: cost.mse(2, 3, -4), "expected itemsize to be at least 0; got -4"),
        (lambda: cost.update("sgd", -1), "expected n to be at least 0; got -1"),
        (lambda: cost.six_n_d(-1, 1), "expected parameters to be at least 0; got -1"),
        (lambda: cost.activation_forward("swish", 1), "unknown activation: expected one of identity, step"),
        (lambda: cost.activation_backward("swish", 1), "unknown activation: expected one of identity, step"),
        (lambda: cost.update("rmsprop", 1), "unknown optimizer: expected one of sgd, momentum"),
        (
            lambda: cost.multilayer_perceptron((3, 2), 1, loss="l1"),
            "unknown loss: expected one of cross_entropy",
        ),
        (lambda: cost.multilayer_perceptron((3,), 1), r"at least two layer sizes.*got \[3\]"),
        (lambda: cost.parameter_count((3, 0)), "expected each layer size to be at least 1; got 0"),
    ],
)
def test_bad_input_is_refused_with_what_was_expected(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_a_size_that_is_no_integer_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"expected k to be an integer; got 2\.5"):
        cost.product(1, 2, 2.5)  # type: ignore[arg-type]
