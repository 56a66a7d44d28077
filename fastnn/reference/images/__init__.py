"""The oracle of what networks of images have beside convolution and pooling."""
