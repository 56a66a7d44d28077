"""The gallery in PyTorch; see benchmarks/gallery/torch_twins.py. fastnn itself is not imported here."""
