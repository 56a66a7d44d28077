"""Eleven milestones of neural networks, 1958 to today, each with runs that repeat what its paper claims."""
