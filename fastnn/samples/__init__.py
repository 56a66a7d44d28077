"""Rows that have a shape, images and sequences: folders of images, npz files and built-in sets, as one array.

`read` makes Samples of a place to train on, `read_as` and `batches` rows for a trained model. Images are read by Pillow
(the extra `images`), and bytes stay bytes until they are in a batch (Rows).
"""

from fastnn.samples.augmenting import Augmentation
from fastnn.samples.form import IMAGES, SEQUENCES, Form, Samples
from fastnn.samples.opening import batches, is_of_samples, place_of, read, read_as
from fastnn.samples.rows import Rows, scaling_of

__all__ = [
    "IMAGES",
    "SEQUENCES",
    "Augmentation",
    "Form",
    "Rows",
    "Samples",
    "batches",
    "is_of_samples",
    "place_of",
    "read",
    "read_as",
    "scaling_of",
]
