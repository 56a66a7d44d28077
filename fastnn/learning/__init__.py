"""How networks learn: losses, optimizers, steps, epochs, fits, and how well outputs fit what they should be."""
