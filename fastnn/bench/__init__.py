"""How the cost of a network grows: a ladder of networks, checked, trained on real data and timed."""
