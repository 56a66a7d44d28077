"""Files of networks; at home in fastnn.networks."""

from fastnn.networks.io import *  # noqa: F403
