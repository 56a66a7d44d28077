"""Colours that colour-blind people tell apart, after Okabe and Ito (2008), with a mark, dash and hatching for each.

Their sky blue, purple and orange are darker on a light page, where they had a contrast of 2.1 to 2.9, and the order is
another on a dark one, where their blue would fade: each reaches 3 to 1 on its ground (WCAG 2.2, 1.4.11).
"""

from __future__ import annotations

LIGHT = ("#0072B2", "#D55E00", "#009E73", "#B0568F", "#B87E00", "#3F97C9", "#6B6B6B")
DARK = ("#56B4E9", "#E69F00", "#2BC79A", "#E19CC4", "#F0E442", "#F0783C", "#A8A8A8")
COLOURS = len(LIGHT)
GROUND = {"light": "#ffffff", "dark": "#14171b"}

# plotly, matplotlib, terminal.
MARKS = (
    ("circle", "o", "o"), ("square", "s", "#"), ("triangle-up", "^", "^"), ("diamond", "D", "*"), ("cross", "P", "+"),
    ("x", "X", "x"), ("star", "*", "@"),
)  # fmt: skip
# plotly and matplotlib.
HATCHES = (("", ""), ("/", "//"), (".", ".."), ("x", "xx"), ("-", "--"), ("\\", "\\\\"), ("+", "++"))
DASHES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-."}
