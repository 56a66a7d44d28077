"""Losses as settings; at home in fastnn.learning."""

from fastnn.learning.losses import *  # noqa: F403
