"""How fast this machine is: networks of all shapes timed on it, and what is kept of that."""
