"""Functions of torch as modules: what is recognised, and what the modules compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from fixtures.snntorch import leaky
from grids import on_grid, same_spikes
from torch import Tensor, nn
from torch.nn import functional

import delrec_compile
from delrec_compile.interop.torch_functions import Functions

FUNCTIONS: dict[str, Callable[[Tensor], Any]] = {
    "MaxPool2d": lambda x: functional.max_pool2d(x, 2),
    "MaxPool1d": lambda x: functional.max_pool1d(x[0], kernel_size=3, stride=1, padding=1),
    "AvgPool2d": lambda x: functional.avg_pool2d(input=x, kernel_size=(2, 1)),
    "AvgPool1d": lambda x: functional.avg_pool1d(x[0], 2, 1, 1),
    "AdaptiveAvgPool2d": lambda x: functional.adaptive_avg_pool2d(x, (1, None)),
    "AdaptiveAvgPool1d": lambda x: functional.adaptive_avg_pool1d(x[0], 2),
    "LPPool2d": lambda x: functional.lp_pool2d(x, 1, 2),
    "LPPool1d": lambda x: functional.lp_pool1d(x[0], 1, 2),
    "Times": lambda x: 0.5 * x,
}


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_a_function_is_the_module_that_computes_the_same(kind: str) -> None:
    x, made = torch.rand(1, 2, 4, 6), []

    def run(name: str, module: nn.Module, given: Any) -> None:
        made.append((module, given))

    with Functions(run):
        y = FUNCTIONS[kind](x)
    module, given = made[0]
    assert type(module).__name__ == kind
    assert torch.equal(module(given), y)


OTHERS: dict[str, Callable[[Tensor], Any]] = {
    "indices": lambda x: functional.max_pool2d(x, 2, return_indices=True),
    "tensor": lambda x: x * x,
    "sum": lambda x: x + 1,
    "by zero": lambda x: x * 0,
    "divided by zero": lambda x: x / 0,
}


@pytest.mark.parametrize("what", OTHERS)
def test_other_functions_compute_by_themselves(what: str) -> None:
    x = torch.rand(1, 2, 4, 6)
    made: list[Any] = []
    with Functions(lambda *call: made.append(call)):
        y = OTHERS[what](x)
    assert not made
    assert torch.equal(torch.as_tensor(y[0]), torch.as_tensor(OTHERS[what](x)[0]))


class Scaled(nn.Module):
    """A model that scales its input and its spikes."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.l = nn.Linear(8, 16), leaky()
        self.b, self.m = nn.Linear(16, 4), leaky()

    def forward(self, x: Tensor) -> Any:
        return self.m(self.b(self.l(self.a(x / 2)) * 2))


def test_a_factor_is_folded_into_weights() -> None:
    made = delrec_compile.from_snntorch(on_grid(Scaled()), max_input=4)
    same_spikes(made)
    plan = delrec_compile.plan_import(Scaled())
    assert [part.name for part in plan.parts] == ["x.div", "a", "l", "l.mul", "b", "m"]
