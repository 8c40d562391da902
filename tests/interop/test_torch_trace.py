"""Which module of a torch model feeds which, and what is computed between them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fixtures.snntorch import leaky
from grids import on_grid, same_spikes
from helpers import refusal
from torch import nn

import delrec_compile
from delrec_compile.errors import UnsupportedError

pytestmark = pytest.mark.filterwarnings("ignore")


class Own(nn.Module):
    """A model whose neurons fire seldom, and what its forward does with the parts."""

    def __init__(self, forward: Any, threshold: float = 4.5) -> None:
        super().__init__()
        self.a, self.l = nn.Linear(10, 8, bias=False), leaky(threshold=threshold)
        self.b, self.m = nn.Linear(8, 8, bias=False), leaky(output=True)
        self.own = forward

    def forward(self, x: torch.Tensor) -> Any:
        return self.own(self, x)


ELSEWHERE = {
    "shifted_end": lambda m, x: m.b(m.l(m.a(x))) + 1,
    "scaled_end": lambda m, x: m.b(m.l(m.a(x))) * m.b.weight[0, 0],
    "added_end": lambda m, x: m.b(m.l(m.a(x))) + m.a.weight.sum(),
    "part_of_the_end": lambda m, x: m.b(m.l(m.a(x)))[:, :4],
    "membrane_of_spikes": lambda m, x: m.m(m.b(m.l(m.a(x))))[1],
    "product": lambda m, x: (lambda s: m.m(m.b(s) * s))(m.l(m.a(x))),
    "difference": lambda m, x: (lambda s: m.m(m.b(s) - s))(m.l(m.a(x))),
    "twice": lambda m, x: (lambda s: m.m(m.b(s + s)))(m.l(m.a(x))),
    "scaled": lambda m, x: m.b(m.l(m.a(x)).mul_(3)),
    "turned": lambda m, x: m.b(m.l(m.a(x)).flip(1)),
}


@pytest.mark.parametrize("what", ELSEWHERE)
def test_what_is_computed_elsewhere_is_seen_though_nothing_fires(what: str) -> None:
    with refusal(UnsupportedError, "nothing computed between them|output is not that of", 4):
        delrec_compile.from_snntorch(Own(ELSEWHERE[what]))


def skipping(model: Own, x: torch.Tensor) -> Any:
    a = model.a(x)
    b = model.b(model.l(a))
    b += a
    return model.m(b)[0]


def test_a_sum_is_read_as_two_projections() -> None:
    made = delrec_compile.from_snntorch(on_grid(Own(skipping, threshold=1.0)), max_input=4)
    same_spikes(made)
    last = made.network.populations[1]
    assert [p.source for p in last.projections] == ["x", "l"]


def looping(model: Own, x: torch.Tensor) -> Any:
    return sum(model.b(model.l(model.a(x))) for _ in range(5))


def test_a_loop_over_one_input_is_read_as_its_step() -> None:
    made = delrec_compile.from_snntorch(on_grid(Own(looping, threshold=1.0)), max_input=4)
    assert made.remarks[0] == (
        "the model makes 5 steps of one input by itself; the network makes one: give it the input 5 "
        "times, and its decision combines the outputs"
    )
    assert [p.name for p in made.network.populations] == ["l0", "out"]


class Binary(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x, self.weight.sign(), self.bias)


def hooked(module: nn.Module) -> nn.Module:
    module.register_forward_hook(lambda _m, _x, y: y * 3)
    return module


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (lambda: Binary(8, 4), "2: its output is not that of a Linear with"),
        (lambda: hooked(nn.Linear(8, 4)), "2: its output is not that of a Linear with"),
        (lambda: hooked(nn.Identity()), "2: its output is not that of a Identity with"),
        (lambda: hooked(leaky()), "2: neurons with hooks"),
    ],
)
def test_modules_that_do_something_of_their_own(part: Any, message: str) -> None:
    model = nn.Sequential(nn.Linear(10, 8), leaky(), part())
    with refusal(UnsupportedError, message, 4):
        delrec_compile.from_snntorch(model)


def test_weights_that_are_not_finite() -> None:
    model = nn.Sequential(nn.Linear(4, 4), leaky())
    model[0].weight.data[1, 2] = float("nan")
    with refusal(UnsupportedError, "0: its output is not finite", 4):
        delrec_compile.from_snntorch(model)
