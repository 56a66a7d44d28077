"""What the larger networks and the ceilings run through, in plain Python, line by line: the same answers."""

from __future__ import annotations

import json
import sys

import numpy as np
from processes import run_python

import fastnn
from fastnn.products import matmul as products
from fastnn.products.blocks import NN, NT
from fastnn.simd import handover, machine, peak


def fused_steps() -> None:
    """Updates while the weight is near are those by the gradient."""
    for optimizer in (fastnn.SGD(0.1), fastnn.Momentum(0.1), fastnn.Adam(0.01)):
        for batch in (1, 2, 18):
            net = fastnn.mlp(14, 130, 4, activation="gelu", dtype="float64", seed=0)
            other = fastnn.mlp(14, 130, 4, activation="gelu", dtype="float64", seed=0)
            x, y = np.random.default_rng(batch).normal(size=(batch, 14)), np.arange(batch) % 4
            net.trainer(optimizer, batch).step(x, y)
            apart = other.trainer(optimizer, batch)
            apart.gradient(x, y)
            apart.apply()
            assert np.allclose(net.parameters, other.parameters, rtol=1e-12, atol=1e-14)


def rows_as_targets() -> None:
    rng = np.random.default_rng(0)
    for loss in ("mse", "cross_entropy", "hinge", "binary_cross_entropy_with_logits"):
        net = fastnn.mlp(3, 4, 2, loss=loss, seed=0)
        x, y = rng.normal(size=(9, 3)), np.full((9, 2), 1.0 if loss == "hinge" else 0.5)
        before = net.loss(x, y)
        net.fit(x, y, epochs=3, batch=4, optimizer=fastnn.SGD(0.05), seed=0)
        assert net.loss(x, y) < before


def streams() -> None:
    row = np.full((2, peak.chain_elements(8)), 0.5)
    peak.fma_peak(row, 2)
    peak._fma_parallel(row, 1)
    sums = row[:, : peak.CHAINS * row.shape[1] // (peak.CHAINS + 2)]
    assert np.all(sums == 0.9375)  # three times s/2 + 1/2
    for kind in (peak.COPY, peak.TRIAD, peak.READ):
        buffer = np.ones((2, 12))
        peak.stream(buffer, kind, 3)
        peak._stream_parallel(buffer, kind, 1)
        assert np.all(np.isfinite(buffer))
    assert peak.first(np.array([3.0, 1.0])) == 3


def words_between_threads() -> None:
    """Threads that run in turn do not meet: the first asks in vain, the second answers what was asked."""
    words = np.zeros(2 * handover.APART, np.int64)
    handover.hand_over(words, 10, 100)
    assert (words[0], words[handover.APART]) == (1, 1)
    assert machine.handover_time() is None


def products_from_python() -> None:
    x, w = np.random.default_rng(1).normal(size=(5, 6)), np.random.default_rng(2).normal(size=(6, 7))
    y = np.empty((5, 7))
    assert products.try_product(y, x, w, NN)
    assert np.allclose(y, x @ w)
    assert products.try_product(y, x, np.ascontiguousarray(w.T), NT)
    assert np.allclose(y, x @ w)
    assert not products.try_product(y, x, w[:4].copy(), NN)
    assert not products.try_product(x, x, np.eye(6), NN)


def run() -> None:
    np.seterr(all="ignore")
    fused_steps()
    rows_as_targets()
    streams()
    words_between_threads()
    products_from_python()
    print(json.dumps("done"), file=sys.stdout)


def test_larger_networks_streams_and_products_in_plain_python() -> None:
    assert run_python("import test_plain_python; test_plain_python.run()", NUMBA_DISABLE_JIT="1") == "done"
