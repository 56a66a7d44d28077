"""Demonstrations: small, complete programs on the public API, from one neuron to handwritten digits."""
