"""Whether an operation is right: one suite of facts, for fastnn's own and for those of its users."""

from fastnn.testing.case import Case
from fastnn.testing.operation import CHECKS, check_operation, checks_of

__all__ = ["CHECKS", "Case", "check_operation", "checks_of"]
