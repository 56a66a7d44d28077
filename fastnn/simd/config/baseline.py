"""Any other processor: 16 registers of 16 bytes, as x86-64 without AVX2 has them. Not measured."""

from __future__ import annotations

from fastnn.simd.config.family import FEW, Family

BASELINE = Family("baseline", 16, FEW)
