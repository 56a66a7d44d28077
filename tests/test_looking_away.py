"""What coverage sees while Numba compiles: fastnn's part of it, and nothing of Numba's."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import needs
import pytest
from numba_cases import I64, written

pytestmark = needs.compiled_kernels


def test_a_tracer_sees_what_writes_instructions_and_no_pass_of_the_compiler() -> None:
    from numba import types

    seen: set[str] = set()

    def tracer(frame: FrameType, event: str, argument: Any) -> None:
        seen.add(frame.f_code.co_name)

    def write_one(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return I64(1)

    call = written(types.intp, write_one)
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        assert call(2, 3) == 1
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
    assert {"instruction", "write_one"} <= seen
    assert not {"resolve_function_type", "lower_inst"} & seen


def test_a_compilation_that_fails_leaves_the_tracer() -> None:
    import numba

    def tracer(frame: FrameType, event: str, argument: Any) -> None:
        return None

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        with pytest.raises(numba.TypingError):
            numba.njit(lambda x: x.nothing)(1)
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
