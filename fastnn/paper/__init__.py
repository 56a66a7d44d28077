"""Models on paper: exact parameters, FLOPs and memory of networks that nobody trains here, and what they would take."""
