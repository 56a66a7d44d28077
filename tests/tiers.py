"""The tiers of the suite, by file.

fast      the core claims: `pytest -m fast`, where kernels are compiled 61 s of one core of a Zen 5 server; at most 90
full      the rest of fastnn; `pytest` runs both
thorough  what is about other machines or other software: other processors, random kills, the programs of the gallery,
          peers, exporters, a browser; `pytest -m thorough`, which .ci/run calls after `pytest`

A test is of its file's tier unless it is marked with another. A test that needs a GPU is of none.
"""

from __future__ import annotations

from collections.abc import Collection

FAST = [
    "activation", "adding_an_operation", "arrays", "assembly", "bench_ladder", "bench_measuring", "bench_results",
    "block_cost", "blocks", "checks", "compiler_reach", "cost", "cost_formulas", "data", "dense", "determinism",
    "dropout", "fit", "fit_not_finite", "frozen_networks", "functional", "fused", "graph",
    "groups", "house", "house_counts", "import", "interchange_chain", "interchange_state_dict", "io", "l2", "loss",
    "matmul", "missing", "network", "network_values", "norm", "numba_contract", "numba_contract_instructions",
    "numba_contract_kept", "numba_versions", "optimizer",
    "perceptron", "positions", "reference", "reference_gradients", "reference_torch", "refusals", "softmax",
    "spans", "testing", "train", "trainer", "training", "vecmath",
]  # fmt: skip
THOROUGH = [
    "attention_elsewhere", "bench_peers", "bench_peers_agree", "benchmarks_compare", "benchmarks_play",
    "benchmarks_sklearn", "cuda_compiles", "demo_page", "encoders_elsewhere", "gallery", "gallery_measure",
    "interchange_exporters", "interchange_nanogpt", "interchange_torch", "makemore", "play_cnn_page", "play_export",
    "play_language_page", "play_notebook_page", "play_page", "play_plane_page", "play_spam_page", "processors",
    "report_page", "timeline_experiments", "timeline_page", "train_resume",
]  # fmt: skip
BY_FILE = dict.fromkeys(FAST, "fast") | dict.fromkeys(THOROUGH, "thorough")
TIERS = ("fast", "full", "thorough")


def tier(file: str, marks: Collection[str]) -> str | None:
    """Of a test in test_{file}.py; None where a mark of its own has settled it."""
    return None if {"gpu", *TIERS} & set(marks) else BY_FILE.get(file, "full")
