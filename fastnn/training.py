"""Training steps for code of one's own, within @njit; at home in fastnn.learning."""

from fastnn.learning.training import *  # noqa: F403
