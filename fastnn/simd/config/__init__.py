"""What only measurement decides for a family of processors, a file each; the rest follows from vectors and caches."""
