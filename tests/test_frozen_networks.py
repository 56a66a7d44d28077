"""What training gave before is what it gives now, bit for bit."""

from __future__ import annotations

import needs
import pytest
from frozen_networks import CASES, KEY, NETWORKS, are_kept, digest, kept


@needs.compiled_kernels
@pytest.mark.skipif(not are_kept(), reason="needs hashes that are kept for this processor")
@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_trained_parameters_are_those_of_before(name: str, dtype: str) -> None:
    assert digest(name, dtype) == kept()[KEY][f"{name}, {dtype}"]


def test_every_kept_hash_is_of_a_network_that_is_trained_here() -> None:
    assert len(NETWORKS) >= 30
    for hashes in kept().values():
        assert set(hashes) == {f"{name}, {dtype}" for name, dtype in CASES}
