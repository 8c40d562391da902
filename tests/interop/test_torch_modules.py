"""PyTorch's own modules as linear parts: what they compute, and what networks do not have of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from helpers import refusal
from torch import Tensor, nn

from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.chain import Chain
from delrec_compile.interop.torch_modules import add_torch_module, array, unsupported
from delrec_compile.interop.torch_recorder import Call

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")


def call_of(module: nn.Module, *shape: int) -> Call:
    """The call of a module in evaluation mode on random numbers of this shape, with a batch of 1."""
    x = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        y = module.eval()(x)
    return Call("m", module, tuple(x.shape), x.numel(), x.reshape(-1), y.reshape(-1))


def norm(kind: Any, channels: int, **options: Any) -> nn.Module:
    module = kind(channels, **options)
    module.running_mean = torch.linspace(-1, 1, channels)
    module.running_var = torch.linspace(0.5, 2, channels)
    return module


MODULES: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "linear": (nn.Linear(6, 4), (6,)),
    "linear without bias": (nn.Linear(6, 4, bias=False), (6,)),
    "conv1d": (nn.Conv1d(2, 3, 3, stride=2, padding=1), (2, 8)),
    "conv2d in groups": (nn.Conv2d(4, 4, 3, padding="same", groups=2), (4, 5, 6)),
    "dilated": (nn.Conv1d(2, 3, 3, dilation=2), (2, 8)),
    "padded on one side": (nn.Conv2d(2, 3, (2, 4), padding="same", dilation=(1, 2)), (2, 5, 6)),
    "norm": (norm(nn.BatchNorm1d, 6), (6,)),
    "norm of maps": (norm(nn.BatchNorm2d, 2, affine=False), (2, 4, 3)),
}


@pytest.mark.parametrize("name", MODULES)
def test_modules_become_parts_that_compute_the_same(name: str) -> None:
    module, shape = MODULES[name]
    call, chain = call_of(module, *shape), Chain(int(np.prod(shape)))
    assert add_torch_module(call, chain)
    ((_, part),) = chain.parts
    y = part.linear(array(call.x)[None])[0] + part.biases  # type: ignore[union-attr]
    np.testing.assert_allclose(y, array(call.y), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "module", [nn.Identity(), nn.Dropout(), nn.Flatten(), nn.Unflatten(1, (2, 2))]
)
def test_modules_without_effect_add_nothing(module: nn.Module) -> None:
    chain = Chain(4)
    assert add_torch_module(call_of(module, 4), chain)
    assert chain.parts == []


def test_other_modules_are_left_to_the_caller() -> None:
    call = call_of(nn.ReLU(), 4)
    assert not add_torch_module(call, Chain(4))
    error = unsupported(call, "Norse")
    assert str(error).startswith("m: networks have no ReLU; docs/import.md lists")


class Negated(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return -super().forward(x)


REFUSED: dict[str, tuple[nn.Module, tuple[int, ...], str]] = {
    "several axes": (nn.Linear(3, 2), (4, 3), "a Linear over the last of several axes"),
    "circular": (
        nn.Conv1d(1, 1, 3, padding=1, padding_mode="circular"),
        (1, 8),
        "not padded with zeros",
    ),
    "statistics": (
        nn.BatchNorm1d(3, track_running_stats=False),
        (3, 4),
        "without running statistics",
    ),
    "own forward": (Negated(3, 2), (3,), "its output is not that of a Linear"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_options_that_networks_do_not_have_are_refused(name: str) -> None:
    module, shape, message = REFUSED[name]
    with refusal(UnsupportedError, f"m: .*{message}", 4):
        add_torch_module(call_of(module, *shape), Chain(int(np.prod(shape))))


def test_outputs_that_are_not_finite_are_refused() -> None:
    module = nn.Linear(3, 2)
    module.weight.data[0, 0] = float("inf")
    with refusal(UnsupportedError, "m: its output is not finite", 4):
        add_torch_module(call_of(module, 3), Chain(3))
