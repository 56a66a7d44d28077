"""What Numba is asked for beyond its public interface."""
