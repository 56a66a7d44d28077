"""The CUDA target runs in numba's simulator, which numba chooses when it is imported. On a machine with a GPU:

NUMBA_ENABLE_CUDASIM=0 pytest tests/test_cuda.py -m "gpu or not gpu"
"""

import os

os.environ.setdefault("NUMBA_ENABLE_CUDASIM", "1")
