"""Network; at home in fastnn.networks."""

from fastnn.networks.network import *  # noqa: F403
