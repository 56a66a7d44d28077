"""Networks that compute one position after the other: each keeps what later ones want, and none is computed twice.

A position's outputs have the bits that they have in the whole sequence.
"""
