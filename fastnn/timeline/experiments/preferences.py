"""2022: what is preferred is learned from pairs, and too much of it is too much."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.layers import Dense, Flatten
from fastnn.learning.optimizers import Adam, Cosine
from fastnn.networks.network import Network
from fastnn.report.picture import Axis, Picture, Series
from fastnn.timeline.experiments.found import Comparison, Run
from fastnn.timeline.experiments.starts import work_of

Array = NDArray[np.float64]
# Of an answer: numbers that say what it is like. What people like grows with some and falls far from the middle.
FEATURES, FAR = 12, 0.5
ANSWERS, PAIRS, HELD_OUT = 5_000, 50, 4_000
HIDDEN, STEPS, BATCH, RATE = 32, 600, 50, 1e-2
# Of KL, from where a policy hardly moves to where it takes the best answers alone.
PRICES = np.geomspace(10, 0.05, 25)


class Judge(NamedTuple):
    """A network that was trained on pairs, the share of held-out pairs that it orders as they were answered, and that
    of the gold reward, which nothing beats but by luck."""

    network: Network
    right: float
    best: float


def run(draws: int = 20) -> Run:
    judges = [judge(seed) for seed in range(draws)]
    curves = np.array([optimised(each.network, seed) for seed, each in enumerate(judges)])
    divergence, proxy, gold = curves.mean(axis=0)
    best = int(gold.argmax())
    loss = float(gold[best] - gold[-1])
    return Run(
        title=f"Learned from {PAIRS:,} pairs, a reward is best followed in part: followed all the way it loses "
        f"{loss:.1f} of the {gold[best]:.1f} that were gained",
        comparisons=(
            Comparison(
                what="held-out pairs ordered right", ours=float(np.mean([each.right for each in judges])), low=0.55,
                percent=True, note=f"a coin 50 %, the gold reward {np.mean([each.best for each in judges]):.0%}",
            ),
            Comparison(
                what="gold reward at the end, divided by its best", ours=float(gold[-1] / gold[best]), high=0.9,
                note="Gao: too much optimisation loses what was gained",
            ),
            Comparison(what="reward of the learned judge at the end, divided by that at the best", low=1.05,
                       ours=float(proxy[-1] / proxy[best]), note="what is optimised goes on growing"),
        ),
        blocks=(
            f"An answer is {FEATURES} numbers; the gold reward grows along one direction and falls with the distance "
            f"from the middle. A judge of {judges[0].network.parameter_count} parameters learns it from pairs of which "
            "one was preferred, by Bradley and Terry's rule: the logarithm of the odds is the difference of rewards.",
            f"The policy that has the most reward less a price β of KL is known in closed form, π ~ π₀ exp(r / β), "
            f"over {ANSWERS:,} answers here: no policy is trained.",
            _picture(divergence, proxy, gold),
            f"Followed further and further, by a falling price of KL, the learned reward rises all the way; the gold "
            f"one is best at a KL of {divergence[best]:.1f} nats, and falls behind it: the judge never saw answers so "
            "unusual.",
        ),
        sample=f"{draws} judges",
        work=work_of(judges[0].network, STEPS * BATCH, BATCH),
        numbers={
            "kl": divergence.tolist(), "proxy": proxy.tolist(), "gold": gold.tolist(),
            "judges": [{"right": each.right, "best": each.best} for each in judges],
        },
    )  # fmt: skip


def gold_reward(answers: Array) -> Array:
    return np.asarray(answers[..., 0] + answers[..., 1] - FAR * np.square(answers).sum(axis=-1))


def _pairs(rng: np.random.Generator, rows: int) -> tuple[Array, Array]:
    """Two answers each (rows, 2, FEATURES), and which was preferred: 1 the first (rows, 1)."""
    pairs = rng.normal(size=(rows, 2, FEATURES))
    rewards = gold_reward(pairs)
    odds = 1 / (1 + np.exp(rewards[:, 1] - rewards[:, 0]))
    return pairs, (rng.random(rows) < odds)[:, None].astype(np.float64)


def judge(seed: int) -> Judge:
    """Rewards both answers of a pair by the same layers; a last layer, which does not learn, takes their difference."""
    rng = np.random.default_rng(seed)
    layers: list[Any] = [Dense(HIDDEN, "tanh"), Dense(1), Flatten(), Dense(1, bias=False)]
    network = Network((2, FEATURES), layers, loss="binary_cross_entropy_with_logits", seed=seed)
    network.named_parameters["3.weight"][:, 0] = 1, -1
    x, y = _pairs(rng, PAIRS)
    trainer = network.trainer(Adam(RATE, schedule=Cosine(STEPS), rates={"3.*": 0}), batch=BATCH)
    trainer.epoch(trainer.hold(x, y), rng.integers(0, PAIRS, STEPS * BATCH))
    x, y = _pairs(rng, HELD_OUT)
    rewards = gold_reward(x)
    best = float(np.mean((rewards[:, :1] > rewards[:, 1:]) == (y > 0)))
    return Judge(network, float(np.mean((network(x) > 0) == (y > 0))), best)


def rewarded(network: Network, answers: Array) -> Array:
    """What a judge gives to single answers: of a pair with itself, the first number before the difference."""
    named = network.named_parameters
    hidden = np.tanh(answers @ named["0.weight"] + named["0.bias"])
    return np.asarray((hidden @ named["1.weight"] + named["1.bias"])[..., 0], np.float64)


def closed_form(reference: Array, rewards: Array, price: float) -> Array:
    """The policy that has the most reward - price KL."""
    weights = reference * np.exp((rewards - rewards.max()) / price)
    return np.asarray(weights / weights.sum())


def divergence_of(policy: Array, reference: Array) -> float:
    """KL in nats."""
    some = policy > 0
    return float(np.sum(policy[some] * np.log(policy[some] / reference[some])))


def optimised(network: Network, seed: int) -> tuple[list[float], list[float], list[float]]:
    """KL, learned reward and gold reward of the best policies for a falling price, over many answers; both rewards
    above those of the reference."""
    answers = np.random.default_rng(seed + 1_000).normal(size=(ANSWERS, FEATURES))
    proxy, gold = rewarded(network, answers), gold_reward(answers)
    reference = np.full(ANSWERS, 1 / ANSWERS)
    policies = [closed_form(reference, proxy, price) for price in PRICES]
    return (
        [divergence_of(policy, reference) for policy in policies],
        [float(policy @ proxy - proxy.mean()) for policy in policies],
        [float(policy @ gold - gold.mean()) for policy in policies],
    )


def _picture(divergence: Array, proxy: Array, gold: Array) -> Picture:
    x = tuple(float(value) for value in divergence)
    return Picture(
        family="preferences", title="Reward gained, by how far the policy has gone",
        x=Axis(title="KL, nats", plain=True), y=Axis(title="reward", plain=True),
        series=(
            Series(name="learned reward", kind="line", dash="dash", colour=1, x=x, y=tuple(map(float, proxy))),
            Series(name="gold reward", kind="line", colour=0, x=x, y=tuple(map(float, gold))),
        ),
    )  # fmt: skip
