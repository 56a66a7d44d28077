"""The pool of threads rests where a region waited for one of them, longer each time, and pieces of work are counted."""

from __future__ import annotations

from collections.abc import Iterator

import needs
import pytest

from fastnn.compiler.jit import kernel
from fastnn.simd.clock import nanoseconds
from fastnn.simd.pool import (
    ENOUGH,
    GAINED,
    LEAST_REST,
    LOSS,
    MOST_REST,
    REST,
    RESTS_UNTIL,
    get_state,
    next_piece,
    part_done,
    put_state,
    release_pool,
    take_pool,
)

pytestmark = needs.compiled_kernels


@kernel
def _region(before, after):  # type: ignore[no-untyped-def]
    """A region whose first thread is done after so many nanoseconds, and the last so many later: whether there was one,
    and for how long the pool rests then."""
    if not take_pool():
        return False, 0
    for duration in (before, after):
        until = nanoseconds() + duration
        while nanoseconds() < until:
            pass
        part_done()
    release_pool()
    return True, get_state(RESTS_UNTIL) - nanoseconds()


@kernel
def _set_rest(rest, until):  # type: ignore[no-untyped-def]
    put_state(GAINED, 0)
    put_state(REST, rest)
    put_state(RESTS_UNTIL, until)


@kernel
def _two_regions_pieces():  # type: ignore[no-untyped-def]
    total = 0
    for _ in range(2):
        take_pool()
        for _ in range(3):
            total = 10 * total + next_piece()
        release_pool()
    return total


@pytest.fixture(autouse=True)
def rested() -> Iterator[None]:
    _set_rest(0, 0)
    yield
    _set_rest(0, 0)


def test_a_pool_rests_after_a_thread_was_late_and_longer_each_time() -> None:
    rests = []
    for _ in range(10):
        had, rest = _region(0, 2 * LOSS)
        assert had
        rests.append(rest)
        assert not _region(0, 0)[0], "a pool that rests was had"
        _end_rest()
    assert 0 < rests[0] <= LEAST_REST < rests[1] <= 2 * LEAST_REST < rests[2] <= 4 * LEAST_REST
    assert MOST_REST // 2 < rests[-1] <= MOST_REST


@kernel
def _end_rest():  # type: ignore[no-untyped-def]
    put_state(RESTS_UNTIL, 0)


def test_gains_make_up_for_losses() -> None:
    # Another process may have the core at any one time.
    assert any(_region(0, LOSS // 10)[1] <= 0 for _ in range(50)), "a thread that wakes up is no reason to rest"
    assert any(_region(3 * LOSS, 2 * LOSS)[1] <= 0 for _ in range(50))
    _set_rest(LEAST_REST, 0)
    for _ in range(50):
        _region(2 * ENOUGH, 0)
    had, rest = _region(0, 3 * LOSS)
    assert had
    assert rest <= 0, "one loss after many gains"


def test_pieces_are_counted_from_the_beginning_of_each_region() -> None:
    assert _two_regions_pieces() == 12012
