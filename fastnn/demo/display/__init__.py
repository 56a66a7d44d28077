"""How demonstrations are shown: what they are made of, on a terminal, on a page."""
