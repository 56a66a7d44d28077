"""Any network with a name, a builder and data is timed by the same run, and its rows say what it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench_rows import CONTEXT, row

import fastnn
from fastnn import Activation, Concatenate, Dense, Dropout, LayerNorm, Network, Residual, RMSNorm, Shared
from fastnn.bench import architecture, ladder, perturbed, results
from fastnn.bench.case import Case
from fastnn.bench.ladder import parse
from fastnn.bench.measuring import Budget
from fastnn.bench.perturbed import perturbed_residual
from fastnn.bench.residual import NotChecked, is_bounded
from fastnn.bench.rows import rows_of
from fastnn.bench.run import Report, Settings, run
from fastnn.bench.rung import Rung
from fastnn.cost import Cost, multilayer_perceptron
from fastnn.data import Dataset
from fastnn.reference import transformer
from fastnn.report import parts
from fastnn.report.formulas import formulas
from fastnn.report.sources import run_of
from fastnn.simd.machine import Ceilings, Level

CEILINGS = Ceilings(1, "float32", 1e11, 5e-8, 2e-7, (Level("DRAM", float("inf"), 1000, {"copy": 1e10}),))
POSITIONS, FEATURES, CLASSES = 6, 8, 3


def tokens() -> Dataset:
    """Rows of 6 positions: a position's label is the largest of its first three features."""
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (512, POSITIONS, FEATURES)).astype(np.float32)
    return Dataset(x, x[..., :CLASSES].argmax(-1).astype(np.int64), "tokens", "512 rows of 6 positions")


LAYERS = (LayerNorm(), Residual(RMSNorm(), Dense(16, "gelu"), Dense(FEATURES)), Activation("tanh"), Dense(CLASSES))


def rung(*layers: Any, name: str = "blocks", **settings: Any) -> Rung:
    return Rung(name, partial(Network, (POSITIONS, FEATURES), layers or LAYERS, **settings), tokens)


@cache
def measured() -> dict[str, Any]:
    """The document of a run of a network of blocks and of one by its sizes."""
    settings = Settings([rung(), parse("3-4-2")], [32], [1], effort="fast", peers=["numpy"])
    report = Report(settings)
    run(report, lambda what: None, lambda: None, lambda what: None)
    assert not report.failed
    found: dict[str, Any] = json.loads(results.dumps(report.document))
    return found


def ours(name: str) -> list[dict[str, Any]]:
    return [each for each in measured()["benchmarks"] if each["name"] == name and not each.get("peer")]


def test_a_network_of_norms_a_residual_block_and_positions_goes_through_the_same_run() -> None:
    results.validate(measured())
    found = ours("blocks")
    assert [each["phase"] for each in found] == list(results.PHASES)
    for each in found:
        assert each["verdict"] in ("ok", "noisy", "very noisy")
        assert 0 <= each["residual"] < 1
        assert each["median_s"] > 0
        assert each["loss_last"] < each["loss_first"]
        assert "sizes" not in each


def test_rows_carry_the_architecture_and_the_counts_of_each_phase() -> None:
    network = Network((POSITIONS, FEATURES), LAYERS)
    step = network.cost(32, "sgd")
    for each in ours("blocks"):
        assert each["architecture"] == json.loads(json.dumps(network.description()))
        assert each["params"] == network.parameter_count
        for phase in ("forward", "loss", "backward", "update"):
            counted = getattr(step, phase)
            expected = counted.macs, counted.flops, counted.transcendentals, counted.bytes
            assert tuple(each["counts"][phase][name] for name in architecture.COUNTS) == expected
        whole = step.forward if each["phase"] == "forward" else step.total
        assert (each["macs"], each["flops"], each["bytes_min"]) == (whole.macs, whole.flops, whole.bytes)


def test_peers_take_part_where_the_network_is_one_that_they_build() -> None:
    compared = {each["name"] for each in measured()["benchmarks"] if each.get("peer")}
    assert compared == {"3-4-2"}
    settings = Settings([rung(), parse("3-4-2")], [32], [1], peers=["numpy"])
    assert settings.left_out == ["numpy is left out of blocks: it builds multilayer perceptrons alone"]
    assert settings.row_count == 3 + 3 + 2


def test_a_rung_is_known_by_its_name_and_states_its_size_before_it_runs() -> None:
    assert parse("3-4-2") == parse("3-4-2")
    assert len({rung(), rung(), parse("3-4-2")}) == 2
    network = Network((POSITIONS, FEATURES), LAYERS)
    assert rung().params == network.parameter_count
    assert rung().numbers == POSITIONS * FEATURES + sum(operation.outputs for operation in network.operations)
    assert (parse("3-4-2").params, parse("3-4-2").numbers) == (26, 9)


# Rows and what reads them ---------------------------------------------------------------------------------------------


def test_sizes_of_an_older_file_are_the_architecture_of_the_network_that_they_name() -> None:
    found = architecture.architecture_of(row(sizes=[784, 16, 16, 10], dtype="float64"))
    assert found == fastnn.mlp(784, 16, 16, 10, dtype="float64").description()
    step = multilayer_perceptron((3, 4, 2), 32)
    assert architecture.counts_of(row()) == architecture.counts(step)


def test_what_a_row_carries_goes_before_its_sizes() -> None:
    network = Network((POSITIONS, FEATURES), LAYERS)
    carried = row(architecture=network.description())
    assert architecture.architecture_of(carried) == network.description()
    assert architecture.counts_of(carried) == architecture.counts(network.cost(32, "sgd"))
    counts = architecture.counts(multilayer_perceptron((5, 5), 1))
    assert architecture.counts_of(carried | {"counts": counts}) == counts


def without(document: dict[str, Any], *fields: str) -> dict[str, Any]:
    rows = [{name: value for name, value in each.items() if name not in fields} for each in document["benchmarks"]]
    return document | {"benchmarks": rows}


def test_reports_of_rows_with_and_without_architecture_are_the_same() -> None:
    perceptrons = measured() | {"benchmarks": ours("3-4-2")}
    older = without(perceptrons, "architecture", "counts")
    results.validate(older)
    for read in (formulas, lambda runs: list(parts.pictures(runs))):
        assert read([run_of("a", perceptrons)]) == read([run_of("a", older)])
    newer = without(perceptrons, "sizes")
    results.validate(newer)
    assert formulas([run_of("a", perceptrons)]) == formulas([run_of("a", newer)])


@pytest.mark.parametrize(
    "layers",
    [
        LAYERS,
        (Dense(FEATURES, "relu"), Residual(Shared("0")), Dense(CLASSES)),
        (Concatenate([Dense(5)], [LayerNorm(), Dense(4, "silu")]), Dropout(0.1), Dense(CLASSES)),
    ],
    ids=["blocks", "shared", "branches"],
)
def test_formulas_of_any_network_add_up_to_its_cost(layers: Any) -> None:
    network = Network((POSITIONS, FEATURES), layers)
    (found,) = formulas([run_of("a", results.document(CONTEXT, [row(architecture=network.description())]))])
    lines = [line for part in found.parts for line in part.lines]
    step = network.cost(32, "sgd")

    def total(what: str) -> int:
        return sum(line.value for line in lines if line.what.partition(",")[0] == what)

    for phase in ("forward", "loss", "backward", "update"):
        for what, name in (("multiply-adds", "macs"), ("FLOPs", "flops"), ("bytes", "bytes")):
            assert total(f"{phase} {what}") == getattr(getattr(step, phase), name)
        assert total(f"{phase} transcendentals") == getattr(step, phase).transcendentals
    assert total("parameters") == network.parameter_count
    assert (total("step FLOPs"), total("step bytes")) == (step.total.flops, step.total.bytes)


def test_a_row_without_a_network_or_with_half_its_counts_breaks_the_contract() -> None:
    nothing = {name: value for name, value in row().items() if name != "sizes"}
    with pytest.raises(ValueError, match="lacks 'architecture' or 'sizes'"):
        results.validate(results.document(CONTEXT, [nothing]))
    counts = dict(architecture.counts(multilayer_perceptron((3, 4, 2), 32)))
    with pytest.raises(ValueError, match=r"counts lacks 'loss'"):
        results.validate(results.document(CONTEXT, [row(counts={"forward": counts["forward"]})]))
    half = counts | {"loss": {"macs": 0, "flops": 0, "transcendentals": 0}}
    with pytest.raises(ValueError, match=r"counts.loss lacks 'bytes'"):
        results.validate(results.document(CONTEXT, [row(counts=half)]))


def test_a_layer_that_no_file_can_hold_leaves_the_architecture_empty() -> None:
    class Own(Dense):
        pass

    found = list(rows_of(Case(rung(Own(CLASSES)), 32, 1, "float32", "sgd"), ["step"], CEILINGS, Budget(0.02)))
    assert found[0]["architecture"] is None
    assert found[0]["median_s"] > 0
    document = results.document(CONTEXT, found)
    results.validate(document)
    assert formulas([run_of("a", document)]) == []
    assert architecture.counts_of(found[0]) == found[0]["counts"]


def test_files_kept_from_before_still_read() -> None:
    """Those in the repository that are of `fastnn bench`; the older ones have no architecture."""
    found = []
    for file in (Path(__file__).parent.parent / "bench_results").glob("*.json"):
        document = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(document, dict) and document.get("schema") == results.SCHEMA:
            found.append(run_of(file.stem, document))
    assert any("architecture" not in each for kept in found for each in kept.rows)
    for kept in found:
        assert formulas([kept])
        assert list(parts.pictures([kept]))


# Checked before it is timed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [1, 32, 256])
@pytest.mark.parametrize(
    "layers",
    [
        LAYERS, (Dense(32, "silu"), RMSNorm(), Dense(CLASSES)),
        (Residual(Residual(LayerNorm())), Dense(CLASSES, bias=False)),
    ],
    ids=["blocks", "chain", "nested"],
)  # fmt: skip
def test_right_kernels_stay_within_half_of_what_rounding_explains(layers: Any, batch: int, dtype: str) -> None:
    of = Case(rung(*layers), batch, 1, dtype, "sgd")
    assert not is_bounded(of.network)
    found = of.check()
    print(f"forward {found.forward:.3g}, loss {found.loss:.3g}, gradient {found.gradient:.3g}")
    assert 0 <= found.worst < 0.5


@pytest.mark.parametrize("loss", ["mse", "binary_cross_entropy_with_logits"])
def test_other_losses_are_checked_too(loss: str) -> None:
    def rows() -> Dataset:
        x = tokens().x
        return Dataset(x, (x[..., :CLASSES] > 0).astype(np.float32), "rows", "rows")  # type: ignore[arg-type]

    of = Rung("rows", partial(Network, (POSITIONS, FEATURES), LAYERS, loss=loss), rows)
    assert 0 < Case(of, 32, 1, "float32", "sgd").check().worst < 0.5


@dataclass(frozen=True)
class OfTheUsersOwn(fastnn.losses.LossOfRows):
    """Which is not run: it has no kernel here."""

    name = "of the user's own"
    kind = fastnn.losses.MSE.kind

    def cost(self, rows: int, outputs: int, itemsize: int) -> Cost:
        return Cost()


@pytest.mark.parametrize(
    ("loss", "message"),
    [(OfTheUsersOwn(), "the loss of the user's own"), (fastnn.MSE(ignore_missing=True), "ignore_mi")],
)
def test_a_loss_that_the_reference_has_not_is_not_checked(loss: Any, message: str) -> None:
    x = np.zeros((4, POSITIONS, FEATURES), np.float32)
    of = Rung("rows", partial(Network, (POSITIONS, FEATURES), LAYERS, loss=loss),
              lambda: Dataset(x, x[..., :CLASSES], "rows", "rows"))  # fmt: skip  # type: ignore[arg-type]
    with pytest.raises(NotChecked, match=message):
        Case(of, 4, 1, "float32", "sgd").check()


SPOILT: dict[str, Callable[[Any], None]] = {
    "one gradient of a norm": lambda grads: grads["0.weight"].__setitem__(0, 0.0),
    "a gradient inside a block": lambda grads: grads["1.1.weight"].__imul__(1.001),
    "a bias of one row too few": lambda grads: grads["1.2.bias"].__imul__(31 / 32),
    "the gradient of a sum": lambda grads: [each.__imul__(32) for each in grads.values()] and None,
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_wrong_gradient_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gradient = fastnn.Trainer.gradient

    def spoilt(trainer: fastnn.Trainer, x: Any, y: Any) -> float:
        value = gradient(trainer, x, y)
        SPOILT[name](dict(trainer.network.named(trainer.grads)))
        return value

    of = Case(rung(), 32, 1, "float32", "sgd")
    assert of.check().worst < 0.5
    monkeypatch.setattr(fastnn.Trainer, "gradient", spoilt)
    found = list(rows_of(of, ["step"], CEILINGS, Budget(0.02)))
    assert found[0]["verdict"] == "refused"
    assert "gradient" in found[0]["reason"]


def test_a_wrong_output_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    of = Case(rung(), 32, 1, "float32", "sgd")
    forward = fastnn.Trainer.forward
    monkeypatch.setattr(fastnn.Trainer, "forward", lambda trainer, x: forward(trainer, x) * np.float32(1 + 1e-3))
    assert of.check().forward > 1


def test_a_network_that_the_reference_has_not_is_refused_and_says_why() -> None:
    of = Case(rung(Dropout(0.1), Dense(CLASSES)), 32, 1, "float32", "sgd")
    with pytest.raises(NotChecked, match=r"layer 0 is Dropout\(rate=0.1\)"):
        perturbed.perturbed_residual(of.network, of.trainer, *of.batches[0])
    found = list(rows_of(of, ["step"], CEILINGS, Budget(0.02)))
    results.validate(results.document(CONTEXT, found))
    assert (found[0]["verdict"], found[0]["residual"], found[0]["times_s"]) == ("refused", None, [])
    assert found[0]["reason"].startswith("not checked, and so not timed: layer 0 is Dropout")


# Language models ------------------------------------------------------------------------------------------------------


def test_the_models_of_a_ladder_are_asked_for_by_name() -> None:
    rungs = ladder.select(models="gpt", max_parameters=1e6)
    assert [rung.name for rung in rungs] == ["gpt-1x16", "gpt-4x64", "gpt-4x128"]
    with pytest.raises(ValueError, match="sizes are of perceptrons, and models is gpt"):
        ladder.select(["3-4-2"], models="gpt")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_language_model_is_checked_against_the_reference(dtype: str) -> None:
    case = Case(ladder.language_model(1, 16, 4, 16), 3, 1, dtype, "adam")
    found = case.check()
    assert found.worst < 0.5
    before, after = case.train()
    assert after < before
    # A causal mask that lets through what comes next is seen.
    case.restart()
    wrong = case.network.copy()
    wrong.layers = (*wrong.layers[:2], replace(wrong.layers[2], heads=2), *wrong.layers[3:])
    assert perturbed_residual(wrong, case.trainer, *case.batches[0]).worst > 1


def test_the_reference_of_a_language_model_is_in_float64_what_the_network_is() -> None:
    network = fastnn.GPT(11, 7, 2, 12, 3, dtype="float64", seed=0)
    rng = np.random.default_rng(0)
    for values in network.named_parameters.values():
        values += rng.normal(0, 0.3, values.shape)
    ids, labels = rng.integers(0, 11, (2, 5, 7))
    labels[0, 3:] = -100
    logits, loss, gradients = transformer.loss_and_gradient(network.named_parameters, ids, labels, 3, 2)
    np.testing.assert_allclose(network(ids).reshape(logits.shape), logits, atol=1e-12)
    assert network.loss(ids, labels) == pytest.approx(loss, rel=1e-13)
    mine = network.named(network.gradient(ids, labels))
    assert set(gradients) == set(mine)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(mine[name], gradient, atol=1e-12, err_msg=name)


def test_other_language_models_are_not_checked() -> None:
    network = fastnn.GPT(11, 7, 1, 12, 3, norm="rms", seed=0)
    with pytest.raises(NotChecked, match="one of GPT-2's kind"):
        perturbed_residual(network, network.trainer(batch=2), np.ones((2, 7)), np.ones((2, 7), int))
