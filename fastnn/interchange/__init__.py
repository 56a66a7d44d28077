"""Networks to and from the formats of others, a file a partner: PyTorch modules, state dicts in safetensors, ONNX."""
