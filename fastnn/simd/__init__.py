"""What the auto-vectoriser cannot do by itself. LLVM instructions are written in this folder."""
