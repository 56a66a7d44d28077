"""Each peer does our work: the same losses step by step, the same logits, in our number type."""

from __future__ import annotations

from pathlib import Path

import needs
import numpy as np
import pytest
from peer_steps import GPT, OPTIMIZERS, ZOO, case, differences, model
from processes import run_python

from fastnn.bench.peers.process import PeerFailed, Process
from fastnn.bench.peers.registry import NAMES, PEERS

IN_ROUNDINGS = 64
# Where states pass 28 steps, and adam divides by roots of small numbers.
OF_SEQUENCES = 1024
# What a peer does in other words than ours: scikit-learn's adam adds epsilon before the bias is corrected, and compiled
# PyTorch corrects it in float32, in which it counts the steps.
LIMITS = {("sklearn", "adam"): 2e-5, ("torch-compile", "adam"): 4e-6, ("torch-compile", "adamw"): 4e-6}


# JAX computes the scores of attention in float32 whatever it is given.
IN_FLOAT32 = {("jax", GPT): 1e-8}
# Batch norms of 4 images: what PyTorch rounds otherwise in float32 is 9e-3 of a loss after 8 steps.
GROWS = {("resnet10", "float32"): 1e-2}


def limit(name: str, optimizer: str, dtype: str, network: str = "") -> float:
    roundings = OF_SEQUENCES if network in ZOO else IN_ROUNDINGS
    others = (
        LIMITS.get((name, optimizer), 0.0), IN_FLOAT32.get((name, network), 0.0), GROWS.get((network, dtype), 0.0)
    )  # fmt: skip
    return max(roundings * float(np.finfo(dtype).eps) / 2, *others)


NETWORKS = [(name, "64-16-10") for name in NAMES] + [(name, GPT) for name in NAMES if PEERS[name].language_models]
NETWORKS += [(name, network) for name in ("torch", "jax") for network in ZOO]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "network"), NETWORKS)
def test_a_peer_has_our_losses_and_logits_with_each_of_its_optimizers(
    name: str, network: str, dtype: str, tmp_path: Path
) -> None:
    needs.peer(name)
    # In a process of its own: libraries bring their threads, and warnings that are theirs to heed.
    source = f"""
import json, warnings
from peer_steps import differences
warnings.simplefilter("ignore")
print(json.dumps(differences({name!r}, {dtype!r}, {network!r})))
"""
    found = run_python(source, TORCHINDUCTOR_CACHE_DIR=str(tmp_path))
    expected = [each for each in (("adam",) if network in ZOO else OPTIMIZERS) if each not in PEERS[name].lacks]
    assert list(found) == (expected if "step" in PEERS[name].phases else ["sgd"])
    for optimizer, differs in found.items():
        assert differs["dtype"] == dtype
        assert max(differs["losses"], differs["logits"]) <= limit(name, optimizer, dtype, network), (optimizer, differs)


def test_a_wrong_optimizer_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastnn.bench.peers import numpy_peer

    monkeypatch.setattr(numpy_peer, "WEIGHT_DECAY", 0.011)
    found = differences("numpy", "float32")
    assert found["adam"]["logits"] <= limit("numpy", "adam", "float32")
    assert found["adamw"]["logits"] > limit("numpy", "adamw", "float32")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("network", ["3-4-2", "64-16-10", "64-9-8-10"])
def test_the_numpy_step_leaves_our_weights(network: str, optimizer: str) -> None:
    of = case(network, optimizer, "float64")
    peer = model("numpy", of)
    of.restart()
    for x, y in of.batches[:20]:
        assert peer.step((x, y)) == pytest.approx(of.trainer.step(x, y), rel=1e-9)
    for i, (w, b) in enumerate(zip(peer.w, peer.b, strict=True)):
        np.testing.assert_allclose(w, of.network.named_parameters[f"{i}.weight"], rtol=1e-7, atol=1e-10)
        np.testing.assert_allclose(b, of.network.named_parameters[f"{i}.bias"], rtol=1e-7, atol=1e-10)


def test_the_numpy_step_allocates_nothing_but_the_buffer_of_a_cast() -> None:
    import tracemalloc

    of = case("784-128-10")
    peer = model("numpy", of)
    batch = peer.prepare(*of.batches[0])
    for _ in range(3):
        peer.step(batch)
    tracemalloc.start()
    peer.step(batch)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8192 * 4


def test_scikit_learn_begins_from_our_weights_with_an_optimizer_that_has_made_no_step() -> None:
    of = case("64-16-10", "adam")
    classifier = model("sklearn", of).classifier
    for i, (weight, bias) in enumerate(zip(classifier.coefs_, classifier.intercepts_, strict=True)):
        assert weight.dtype == np.float32
        np.testing.assert_array_equal(weight, of.network.named(of.initial)[f"{i}.weight"])
        np.testing.assert_array_equal(bias, of.network.named(of.initial)[f"{i}.bias"])
    classifier.partial_fit(*of.batches[0])
    assert classifier._optimizer.t == 1


def test_scikit_learn_gives_finite_logits_where_a_probability_is_zero() -> None:
    peer = model("sklearn", case("64-16-10"))
    assert np.isfinite(peer.logits(np.array([[0.0, 1.0]], np.float32))).all()


def test_without_a_compiler_torch_compile_says_so(tmp_path: Path) -> None:
    needs.package("torch")
    file = str(tmp_path / "case.npz")
    arrays = {"0.weight": np.ones((3, 2)), "0.bias": np.ones(2), "x": np.ones((4, 5, 3)), "y": np.zeros((4, 5), int)}
    np.savez(file, allow_pickle=False, **arrays)
    variables = {"CXX": "no-such-compiler", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "inductor")}
    process = Process("torch-compile", 1, variables=variables)
    try:
        with pytest.raises(PeerFailed, match=r"^torch-compile: [^\n]*compiler[^\n]*$"):
            process.ask(do="prepare", file=file, heads=0, phases=["step"], optimizer="sgd", learning_rate=0.1)
    finally:
        process.close()
