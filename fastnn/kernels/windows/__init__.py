"""Windows over images: which pixels they have, and convolutions of each channel with itself; see
fastnn.kernels.convolution."""
