"""Constants that measurement decided, each beside its neighbours; see benchmarks/tuning.py."""
