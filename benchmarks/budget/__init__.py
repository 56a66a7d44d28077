"""Where the time of a training step goes; see benchmarks/step_budget.py."""
