"""What Numba is asked for beyond its public interface, and the versions of Numba that this is known of."""

from __future__ import annotations

import re
import warnings

import numba

# From the first version on, before the second; pyproject.toml says the same. Another is tried, with a warning, and not
# refused: it may well do, and what has moved mostly fails when it is imported or when a kernel is compiled. The
# warning comes first, so that it stands above whatever fails.
FROM, BEFORE = (0, 68), (0, 70)


def warn_of_another_version(version: str) -> None:
    """RuntimeWarning where Numba's version is one whose private interface fastnn was not written for."""
    found = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if not FROM <= found < BEFORE:
        first, last = (".".join(map(str, numbers)) for numbers in (FROM, BEFORE))
        wanted = f"numba>={first},<{last}"
        warnings.warn(
            f"fastnn expects {wanted} and found numba {version}, whose private interface may be another: kernels may "
            f"fail to compile. If they do: pip install '{wanted}', or a newer fastnn",
            RuntimeWarning,
            stacklevel=3,
        )


warn_of_another_version(numba.__version__)
