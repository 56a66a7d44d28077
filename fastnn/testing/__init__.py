"""Whether an operation or a loss is right: one suite of facts, for fastnn's own and for those of its users."""

from fastnn.testing.case import Case
from fastnn.testing.loss import LOSS_CHECKS, LossCase, check_loss
from fastnn.testing.operation import CHECKS, check_operation, checks_of

__all__ = ["CHECKS", "LOSS_CHECKS", "Case", "LossCase", "check_loss", "check_operation", "checks_of"]
