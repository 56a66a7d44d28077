"""What the system says of the caches."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

CACHE_FOLDER = Path("/sys/devices/system/cpu/cpu0/cache")
# Where the system does not say: small enough to be true nearly everywhere.
ASSUMED_CACHES = {"L1d": 32 * 1024, "L2": 256 * 1024, "L3": 8 * 2**20}
# What a cache of that level can be, in bytes: a virtual machine may tell anything.
SANE_CACHES = {"L1d": (16 * 1024, 256 * 1024), "L2": (128 * 1024, 64 * 2**20), "L3": (2**20, 2**30)}


def caches() -> dict[str, int | None]:
    """Bytes of L1d, L2 (of one core) and L3, where the system says them."""
    if platform.system() == "Darwin":
        names = {"L1d": "hw.l1dcachesize", "L2": "hw.l2cachesize", "L3": "hw.l3cachesize"}
        return {level: int(sysctl(name) or 0) or None for level, name in names.items()}
    found: dict[str, int | None] = dict.fromkeys(ASSUMED_CACHES)
    for index in sorted(CACHE_FOLDER.glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        name = "L1d" if level == "1" and kind == "Data" else f"L{level}"
        if name in found and kind != "Instruction":
            found[name] = int(size.rstrip("KM")) * (2**20 if size.endswith("M") else 2**10)
    return found


def sane_caches() -> dict[str, int]:
    """The same, with what is not told, or cannot be, replaced by what is true nearly everywhere."""
    try:
        told = caches()
    except (OSError, ValueError):  # a container may hide the files, or what they hold
        told = {}
    sane = {}
    for level, assumed in ASSUMED_CACHES.items():
        least, most = SANE_CACHES[level]
        size = told.get(level) or 0
        sane[level] = size if least <= size <= most else assumed
    return sane


def sysctl(name: str) -> str | None:
    """What macOS says of itself under that name."""
    answer = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None
