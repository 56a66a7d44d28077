"""Kernels of what networks of images have beside convolution and pooling, on plain arrays."""
