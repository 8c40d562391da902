"""What of a torch model is read as one module."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers import refusal
from torch import nn
from torch.nn.utils import parametrizations

import delrec_compile
from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.torch_units import holds_values, is_unit, kind_of, units

snntorch: Any = pytest.importorskip("snntorch")
pytestmark = pytest.mark.filterwarnings("ignore")


def leaky() -> nn.Module:
    made: nn.Module = snntorch.Leaky(beta=0.5, init_hidden=True)
    return made


class Block(nn.Module):
    """A user's module, which only calls its parts, or scales what comes between."""

    def __init__(self, scaled: bool = False) -> None:
        super().__init__()
        self.linear, self.fires = nn.Linear(8, 8), leaky()
        if scaled:
            self.scale = nn.Parameter(torch.full((), 2.0))

    def forward(self, x: torch.Tensor) -> Any:
        y = self.linear(x)
        return self.fires(y * self.scale if hasattr(self, "scale") else y)


def test_containers_are_entered_and_modules_of_libraries_are_not() -> None:
    model = nn.Sequential(Block(), nn.Sequential(nn.LSTM(8, 8), nn.TransformerEncoderLayer(8, 2)))
    named = [name for _, name in units(model, lambda m: isinstance(m, snntorch.Leaky))]
    assert named == ["0.linear", "0.fires", "1.0", "1.1"]
    assert not is_unit(model)
    assert is_unit(nn.MultiheadAttention(8, 2))
    weighted = parametrizations.weight_norm(nn.Linear(8, 8))
    assert is_unit(weighted)
    assert kind_of(weighted) == "Linear"
    assert (holds_values(Block()), holds_values(Block(scaled=True))) == (False, True)


UNKNOWN = {
    "LeakyParallel": lambda: snntorch.LeakyParallel(input_size=8, hidden_size=8),
    "MultiheadAttention": lambda: nn.MultiheadAttention(8, 2),
    "TransformerEncoderLayer": lambda: nn.TransformerEncoderLayer(8, 2, batch_first=True),
    "LSTM": lambda: nn.LSTM(8, 8),
    "Block": lambda: Block(scaled=True),
    "MaxPool1d": lambda: nn.MaxPool1d(1),
}


class Applied(nn.Module):
    """The module on the values alone, where it takes more or returns more."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.a, self.l, self.odd, self.b, self.m = (
            nn.Linear(8, 8),
            leaky(),
            module,
            nn.Linear(8, 4),
            leaky(),
        )

    def forward(self, x: torch.Tensor) -> Any:
        y = self.l(self.a(x))
        three = isinstance(self.odd, nn.MultiheadAttention)
        y = self.odd(y, y, y) if three else self.odd(y)
        return self.m(self.b(y[0] if isinstance(y, tuple) else y))


@pytest.mark.parametrize("kind", UNKNOWN)
def test_an_unknown_module_is_named_itself(kind: str) -> None:
    with refusal(UnsupportedError, f"odd: networks have no {kind};.* step.onnx", 4):
        delrec_compile.from_snntorch(Applied(UNKNOWN[kind]()))


@pytest.mark.parametrize(
    "normed", [parametrizations.weight_norm, parametrizations.spectral_norm, nn.utils.weight_norm]
)
def test_a_normed_linear_is_a_linear(normed: Any) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(normed(nn.Linear(8, 8)), leaky(), nn.Linear(8, 4), leaky()).eval()
    made = delrec_compile.from_snntorch(model, max_input=1)
    assert made.check(60, frozen=False).differing == 0
