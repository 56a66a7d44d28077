"""2020: GPT-3 on paper, counted to the last parameter, beside what its paper prints."""

from __future__ import annotations

from fastnn.paper.models import model
from fastnn.timeline.experiments.found import Comparison, Run
from fastnn.timeline.papers.milestones import printed


def run() -> Run:
    gpt = model("gpt3")
    tokens = printed("2020", "GPT-3 tokens")
    enough = printed("2020", "tokens a parameter")
    six = 6 * gpt.parameters * tokens
    return Run(
        title=f"GPT-3 has {gpt.parameters:,} parameters, and saw {tokens / gpt.parameters:.1f} tokens for each",
        comparisons=(
            Comparison(
                what="parameters, from its table 2.1", ours=gpt.parameters,
                published=printed("2020", "GPT-3 parameters"), low=174e9, high=176e9,
            ),
            Comparison(
                what="training FLOPs, 6 N D", ours=six, published=printed("2020", "GPT-3 training FLOPs"),
                low=3.1e23, high=3.2e23,
            ),
        ),
        blocks=(
            f"That is far from the {enough:.0f} tokens a parameter that Hoffmann et al. found best in 2022.",
            "96 blocks, 12,288 wide, a vocabulary of 50,257 and 2,048 positions: nothing runs, all is counted. "
            "fastnn predict gpt3 says what memory and time it takes on given hardware.",
        ),
        numbers={"parameters": gpt.parameters},
    )  # fmt: skip
