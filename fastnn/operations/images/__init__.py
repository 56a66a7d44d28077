"""What networks of images have beside convolution and pooling, on tapes."""
