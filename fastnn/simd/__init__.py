"""What the auto-vectoriser cannot do by itself. llvmlite lives in this folder only."""
