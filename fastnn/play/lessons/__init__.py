"""The pages of the playground: what can be set on each, and what the kernels make of it."""
