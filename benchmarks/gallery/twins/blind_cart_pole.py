"""The twins of blind_cart_pole.py: a population of GRUs, each with starts of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fastnn.bench.peers.torch_compile_peer import bring_in_the_compiler
from twins.cart_pole import ANGLE_LIMIT, FORCE, POSITION_LIMIT, TOGETHER, balance, pushed, together
from twins.networks import Array, Arrays, Call

NAMES = ("weight_ih", "bias_ih", "weight_hh", "bias_hh", "weight", "bias")


class Modules:
    """A GRUCell and a Linear, as it is usually written."""

    def __init__(self, w_ih: Array, b_ih: Array, w_hh: Array, b_hh: Array, w: Array, b: Array) -> None:
        self.cell, self.head = nn.GRUCell(len(w_ih), len(w_hh)), nn.Linear(*w.shape)
        cell = {"weight_ih": w_ih.T, "bias_ih": b_ih, "weight_hh": w_hh.T, "bias_hh": b_hh}
        self.cell.load_state_dict({name: torch.from_numpy(values.copy()) for name, values in cell.items()})
        self.head.load_state_dict({"weight": torch.from_numpy(w.T.copy()), "bias": torch.from_numpy(b)})

    def begin(self) -> Callable[..., bool]:
        self.state = torch.zeros(1, self.cell.hidden_size)
        return self.goes_right

    def goes_right(self, position: float, velocity: float, angle: float, turn: float) -> bool:
        self.state = self.cell(torch.tensor([[position / POSITION_LIMIT, angle / ANGLE_LIMIT]]), self.state)
        return bool(self.head(self.state).argmax())


class Bare:
    """Without modules, every tensor made ahead, and numbers through NumPy's views of them."""

    def __init__(self, *arrays: Array) -> None:
        turned = [torch.from_numpy(np.ascontiguousarray(each.T)) for each in arrays]
        self.w_ih, self.b_ih, self.w_hh, self.b_hh, self.w, self.b = turned
        units = len(arrays[2])
        self.x, self.h, self.y = torch.zeros(arrays[0].shape[0]), torch.zeros(units), torch.zeros(2)
        self.sums, self.products, self.part = torch.zeros(3 * units), torch.zeros(3 * units), torch.zeros(units)
        self.gates, self.gate_products = self.sums[: 2 * units], self.products[: 2 * units]
        self.new, self.of_state = self.sums[2 * units :], self.products[2 * units :]
        self.reset, self.update = self.gates[:units], self.gates[units:]
        self.seen, self.scores = self.x.numpy(), self.y.numpy()

    def begin(self) -> Callable[..., bool]:
        self.h.zero_()
        return self.goes_right

    def goes_right(self, position: float, velocity: float, angle: float, turn: float) -> bool:
        self.seen[0], self.seen[1] = position / POSITION_LIMIT, angle / ANGLE_LIMIT
        torch.addmv(self.b_ih, self.w_ih, self.x, out=self.sums)
        torch.addmv(self.b_hh, self.w_hh, self.h, out=self.products)
        self.gates.add_(self.gate_products).sigmoid_()
        self.new.addcmul_(self.reset, self.of_state).tanh_()
        torch.sub(self.h, self.new, out=self.part)
        torch.addcmul(self.new, self.part, self.update, out=self.h)
        torch.addmv(self.b, self.w, self.h, out=self.y)
        return bool(self.scores[1] > self.scores[0])


def _play(kind: Any, arrays: Arrays) -> Call:
    players = [kind(*member) for member in zip(*(arrays[name] for name in NAMES), strict=True)]
    steps = int(arrays["steps"])

    @torch.inference_mode()
    def call() -> Array:
        return np.array([[balance(player.begin(), start, steps) for start in arrays["starts"]] for player in players])

    return call


def loop(arrays: Arrays) -> Call:
    return _play(Modules, arrays)


def bare(arrays: Arrays) -> Call:
    return _play(Bare, arrays)


def _carts(
    steps: int, state: Tensor, h: Tensor, alive: Tensor, lengths: Tensor, w_ih: Tensor, b_ih: Tensor, w_hh: Tensor,
    b_hh: Tensor, w: Tensor, b: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """So many steps of all carts. state (P, S, 4), h (P, S, H), alive and lengths (P, S), a network for each of P."""
    for _ in range(steps):
        seen = torch.stack((state[..., 0] / POSITION_LIMIT, state[..., 2] / ANGLE_LIMIT), -1).to(w.dtype)
        xr, xz, xn = torch.baddbmm(b_ih, seen, w_ih).chunk(3, -1)
        hr, hz, hn = torch.baddbmm(b_hh, h, w_hh).chunk(3, -1)
        new = torch.tanh(xn + torch.sigmoid(xr + hr) * hn)
        h = (h - new) * torch.sigmoid(xz + hz) + new
        scores = torch.baddbmm(b, h, w)
        force = torch.where(scores[..., 1] > scores[..., 0], FORCE, -FORCE)
        state, alive, lengths = pushed(state, force, alive, lengths)
    return state, h, alive, lengths


def batched(arrays: Arrays) -> Call:
    return together(_carts, 1, arrays, NAMES, arrays["weight_hh"].shape[1])


def compiled(arrays: Arrays) -> Call:
    bring_in_the_compiler()
    advance = torch.compile(_carts, fullgraph=True, dynamic=False)
    return together(advance, TOGETHER, arrays, NAMES, arrays["weight_hh"].shape[1])


WAYS: dict[str, Callable[[Arrays], Call]] = {"loop": loop, "bare": bare, "batched": batched, "compiled": compiled}
