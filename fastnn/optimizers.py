"""Optimizers and schedules as settings; at home in fastnn.learning."""

from fastnn.learning.optimizers import *  # noqa: F403
