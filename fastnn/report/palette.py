"""Colours of Okabe and Ito (2008), which colour-blind people tell apart, with a mark, dash and hatching for each.

The order differs between a light and a dark page, where blue or yellow would fade into the ground.
"""

from __future__ import annotations

LIGHT = ("#0072B2", "#D55E00", "#009E73", "#B0568F", "#C98A00", "#3F97C9", "#6B6B6B")
DARK = ("#56B4E9", "#E69F00", "#2BC79A", "#E19CC4", "#F0E442", "#F0783C", "#A8A8A8")
COLOURS = len(LIGHT)

# plotly, matplotlib, terminal.
MARKS = (
    ("circle", "o", "o"), ("square", "s", "#"), ("triangle-up", "^", "^"), ("diamond", "D", "*"), ("cross", "P", "+"),
    ("x", "X", "x"), ("star", "*", "@"),
)  # fmt: skip
# plotly and matplotlib.
HATCHES = (("", ""), ("/", "//"), (".", ".."), ("x", "xx"), ("-", "--"), ("\\", "\\\\"), ("+", "++"))
DASHES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-."}
