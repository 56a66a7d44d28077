"""The CUDA target: the mirror of fastnn.kernels, for Network(..., device="cuda"). Imported when first asked for."""
