"""Products of matrices, which all kernels are made of: by blocks, by threads, onto what is there."""
