"""Single kernels against the same operations of other libraries; see benchmarks/compare_kernels.py."""

import sys
from pathlib import Path

# The case table of the tests: what each kernel is given, what it must answer, and what that costs.
sys.path.append(str(Path(__file__).parents[2] / "tests"))
