"""The kernels, one op family a file, forward beside backward: plain arrays and scalars, outputs first, unchecked.

All are callable from a user's own @njit code. They allocate nothing, hold no GIL and touch no Python object.
"""
