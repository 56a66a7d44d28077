"""ARM: 32 registers of 16 bytes. Not measured: follows AVX-512, which has as many registers."""

from __future__ import annotations

from fastnn.simd.config.family import MANY, Family

NEON = Family("neon", 16, MANY)
