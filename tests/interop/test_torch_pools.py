"""Pools of spikes and of sums: the framework's own spikes, and what no network does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fixtures.snntorch import leaky
from grids import on_grid, same_spikes
from helpers import refusal
from torch import Tensor, nn
from torch.nn import functional

import delrec_compile
from delrec_compile.errors import UnsupportedError
from delrec_compile.ops.feed import Convolution

pytestmark = pytest.mark.filterwarnings("ignore")
Shape = tuple[int, ...]


class Functional(nn.Module):
    """Pools as functions, of sums and of spikes, in forward."""

    def __init__(self) -> None:
        super().__init__()
        self.c1, self.l1 = nn.Conv2d(2, 4, 3), leaky()
        self.c2, self.l2 = nn.Conv2d(4, 6, 3, padding=1), leaky()
        self.fc, self.l3 = nn.Linear(54, 5), leaky()

    def forward(self, x: Tensor) -> Any:
        x = self.l1(functional.max_pool2d(self.c1(x), 2))
        x = functional.max_pool2d(self.l2(self.c2(x)), 2)
        return self.l3(self.fc(x.flatten(1)))


class Shared(nn.Module):
    """One pool, behind neurons and before them, as many users write it."""

    def __init__(self) -> None:
        super().__init__()
        self.c1, self.l1 = nn.Conv2d(2, 4, 3), leaky()
        self.c2, self.l2 = nn.Conv2d(4, 6, 3, padding=1), leaky()
        self.fc, self.l3, self.pool = nn.Linear(6, 5), leaky(), nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Any:
        x = self.pool(self.l1(self.c1(x)))
        x = self.pool(self.l2(self.pool(self.c2(x))))
        return self.l3(self.fc(x.flatten(1)))


def end(size: int) -> list[nn.Module]:
    return [nn.Flatten(), nn.Linear(size, 5), leaky()]


MODELS: dict[str, tuple[Shape, list[nn.Module]]] = {
    "of spikes": (
        (2, 12, 12),
        [nn.Conv2d(2, 4, 5), leaky(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3), leaky(), *end(24)],
    ),
    "of sums": (
        (2, 10, 10),
        [nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.MaxPool2d((2, 4), 2), leaky(), *end(48)],
    ),
    "of sums before a norm": (
        (2, 8, 8),
        [nn.Conv2d(2, 4, 3), nn.MaxPool2d(3, 1, 1), nn.BatchNorm2d(4), leaky(), *end(144)],
    ),
    "with a part of a window": (
        (2, 9, 9),
        [
            *(nn.Conv2d(2, 4, 3), nn.MaxPool2d(2, ceil_mode=True), leaky()),
            *(nn.MaxPool2d(3, 2, 1), leaky(threshold=0.5), nn.MaxPool2d(3, 2, ceil_mode=True)),
            *end(4),
        ],
    ),
    "padded, with a part of a window": (
        (2, 12, 12),
        [nn.Conv2d(2, 4, 3), leaky(), nn.MaxPool2d(4, 3, 1, ceil_mode=True), *end(64)],
    ),
    "of rows": (
        (2, 18),
        [
            *(nn.Conv1d(2, 4, 3), nn.MaxPool1d(2), leaky()),
            *(nn.MaxPool1d(3, dilation=2, stride=1), nn.AdaptiveAvgPool1d(1), *end(4)),
        ],
    ),
    "means and sums": (
        (2, 8, 8),
        [
            *(nn.Conv2d(2, 4, 3, padding=1), leaky(), nn.LPPool2d(1, 2)),
            *(nn.AdaptiveAvgPool2d((2, None)), *end(32)),
        ],
    ),
    "functions": ((2, 14, 14), [Functional()]),
    "shared": ((2, 10, 10), [Shared()]),
}


@pytest.mark.parametrize("name", MODELS)
def test_pools_are_those_of_torch(name: str) -> None:
    shape, modules = MODELS[name]
    torch.manual_seed(0)
    model = on_grid(nn.Sequential(*modules))
    made = delrec_compile.from_snntorch(model, input_shape=shape, max_input=4)
    if any(isinstance(m, nn.BatchNorm2d) for m in modules):  # no weights of a grid
        check = made.check(100, frozen=False)
        assert (check.differing, check.firing.silent) == (0, False)
    else:
        same_spikes(made)


def test_pools_are_no_matrices() -> None:
    shape, modules = MODELS["of spikes"]
    torch.manual_seed(0)
    made = delrec_compile.from_snntorch(nn.Sequential(*modules), input_shape=shape, max_input=1)
    maps = [layer.maps for layer in made.network.layers]
    out = [None if m is None else m.out for m in maps]
    assert out == [(4, 8, 8), (4, 4, 4), (6, 2, 2), None]
    rows = [
        part.becomes
        for part in delrec_compile.plan_import(nn.Sequential(*modules), input_shape=shape).parts
    ]
    assert any("fires where one of its window does" in row for row in rows)
    pool = made.network.populations[1].projections[0].synapses
    assert isinstance(pool, Convolution)
    assert pool.is_pool


CONV = nn.Conv2d(2, 4, 3)


class Twice(nn.Module):
    """A pool of its own kind."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool, self.fires = nn.Conv2d(2, 4, 3), nn.MaxPool2d(2), leaky()
        self.pool.register_forward_hook(lambda _m, _x, y: 2 * y)

    def forward(self, x: Tensor) -> Any:
        return self.fires(self.pool(self.conv(x)))


class Skips(nn.Module):
    """The largest of a sum of two populations."""

    def __init__(self, before: nn.Module) -> None:
        super().__init__()
        self.a, self.l, self.b, self.m = nn.Conv2d(2, 2, 3), leaky(), nn.Conv2d(2, 2, 1), leaky()
        self.before, self.pool, self.fires = before, nn.MaxPool2d(2), leaky()

    def forward(self, x: Tensor) -> Any:
        s = self.l(self.a(x))
        return self.fires(self.pool(self.before(s + self.m(self.b(s)))))


REFUSED: dict[str, tuple[nn.Module, str]] = {
    "input": (nn.Sequential(nn.MaxPool2d(2), CONV, leaky()), "0: .*neither spikes nor the sums"),
    "into weights": (
        nn.Sequential(CONV, nn.MaxPool2d(2), nn.Conv2d(4, 4, 1), leaky()),
        "1: .*go on into other weights",
    ),
    "outputs": (nn.Sequential(CONV, leaky(), nn.Conv2d(4, 4, 1), nn.MaxPool2d(2)), "3: .*outputs"),
    "uneven": (nn.Sequential(CONV, leaky(), nn.AdaptiveAvgPool2d(4)), "2: .* differ in size"),
    "norm": (nn.Sequential(CONV, leaky(), nn.LPPool2d(2, 2)), "2: a norm of 2"),
    "edges": (
        nn.Sequential(CONV, leaky(), nn.AvgPool2d(2, padding=1, count_include_pad=False)),
        "2: a mean whose windows differ",
    ),
    "cut": (
        nn.Sequential(CONV, leaky(), nn.AvgPool2d(2, ceil_mode=True)),
        "2: a mean whose windows",
    ),
    "hook": (Twice(), "pool: its output is not the largest"),
    "spikes of two": (Skips(nn.Identity()), "pool: .*neither spikes|pool: .*several sources"),
    "sums of two": (Skips(nn.Conv2d(2, 2, 1)), "pool: .*several sources"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refusals(what: str) -> None:
    model, message = REFUSED[what]
    with refusal(UnsupportedError, message, 4):
        delrec_compile.from_snntorch(model, input_shape=(2, 9, 9), max_input=1)


def test_a_mean_with_a_divisor_of_its_own_and_padding() -> None:
    torch.manual_seed(0)
    pool = nn.AvgPool2d(2, padding=1, divisor_override=8)
    model = on_grid(nn.Sequential(nn.Conv2d(2, 4, 3), leaky(), pool, *end(64)))
    same_spikes(delrec_compile.from_snntorch(model, input_shape=(2, 8, 8), max_input=4))


@pytest.mark.parametrize("factor", [[1.0, -1.0], 0.5])
def test_the_largest_of_sums_and_a_norm_commute_if_it_turns_nothing(factor: Any) -> None:
    norm = nn.BatchNorm2d(2)
    with torch.no_grad():
        norm.weight[:] = torch.as_tensor(factor)
    model = nn.Sequential(nn.Conv2d(2, 2, 3), nn.MaxPool2d(2), norm, leaky())
    if factor == 0.5:
        assert delrec_compile.from_snntorch(model, input_shape=(2, 6, 6)).network
        return
    with refusal(UnsupportedError, "1: .*other weights", 4):
        delrec_compile.from_snntorch(model, input_shape=(2, 6, 6))
