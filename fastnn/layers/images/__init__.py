"""Layers that networks of images have beside convolution and pooling."""
