"""What training gave before is what it gives now, bit for bit."""

from __future__ import annotations

import pytest
from frozen_networks import CASES, KEY, NETWORKS, PROCESSORS, digest, kept, processor

from fastnn._jit import DEBUG, DISABLED

pytestmark = [
    pytest.mark.skipif(DEBUG or DISABLED, reason="hashes are kept of compiled kernels"),
    pytest.mark.skipif(KEY not in kept(), reason=f"no hashes are kept for {KEY}"),
    pytest.mark.skipif(processor() not in PROCESSORS, reason=f"no hashes are kept for {processor()}"),
]


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_trained_parameters_are_those_of_before(name: str, dtype: str) -> None:
    assert digest(name, dtype) == kept()[KEY][f"{name}, {dtype}"]


def test_every_kept_hash_is_of_a_network_that_is_trained_here() -> None:
    assert len(NETWORKS) >= 30
    for hashes in kept().values():
        assert set(hashes) == {f"{name}, {dtype}" for name, dtype in CASES}
