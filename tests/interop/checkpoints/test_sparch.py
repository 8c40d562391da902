"""Checkpoints of sparch, beside its paper's equations in a module that has the same keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import refusal
from torch import Tensor, nn

import delrec_compile
from delrec_compile.errors import CheckpointError, UnsupportedError, UsageError
from delrec_compile.runners.reference import ReferenceRunner

INPUTS, STEPS = 12, 80


def drawn(size: int, low: float, high: float) -> nn.Parameter:
    """Values between these, and some beyond them."""
    return nn.Parameter(low + (high - low) * (1.2 * torch.rand(size) - 0.1))


def between(value: Tensor, low: float, high: float) -> Tensor:
    return torch.minimum(torch.maximum(value, torch.tensor(low)), torch.tensor(high))


def decay(value: Tensor, *taus: float) -> Tensor:
    low, high = (float(np.exp(-1 / tau)) for tau in taus)
    return between(value, low, high)


class Cells(nn.Module):
    """A layer of neurons; kind: LIF, adLIF, RLIF, RadLIF, or readout."""

    def __init__(self, sent: int, size: int, kind: str, norm: bool, bias: bool) -> None:
        super().__init__()
        self.kind = kind
        self.W = nn.Linear(sent, size, bias=bias)
        self.alpha = drawn(size, float(np.exp(-1 / 5)), float(np.exp(-1 / 25)))
        if "ad" in kind and kind != "readout":
            self.beta = drawn(size, float(np.exp(-1 / 30)), float(np.exp(-1 / 120)))
            self.a, self.b = drawn(size, -1.0, 1.0), drawn(size, 0.0, 2.0)
        if kind.startswith("R"):
            self.V = nn.Linear(size, size, bias=False)
            self.V.weight.data *= 8
        self.W.weight.data = (torch.rand(size, sent) - 0.2) * 14 / sent**0.5
        if norm:
            self.norm = nn.BatchNorm1d(size)
            self.norm.running_mean = torch.rand(size)
            self.norm.running_var = 0.5 + torch.rand(size)
            self.norm.weight.data = 1 + torch.rand(size)
            self.norm.bias.data = torch.rand(size)

    def run(self, x: Tensor) -> Tensor:
        """x: (T, batch, sent)."""
        u = s = w = torch.zeros(x.shape[1], self.W.out_features)
        alpha, out = decay(self.alpha, 5, 25), []
        for row in x:
            current = self.W(row)
            current = self.norm(current) if hasattr(self, "norm") else current
            if hasattr(self, "V"):
                between_each = self.V.weight * (1 - torch.eye(len(self.V.weight)))
                current = current + s @ between_each
            if hasattr(self, "a"):
                beta = decay(self.beta, 30, 120)
                w = beta * w + between(self.a, -1.0, 1.0) * u + between(self.b, 0.0, 2.0) * s
            u = alpha * (u - s) + (1 - alpha) * (current - w)
            s = s if self.kind == "readout" else (u - 1 > 0).float()
            out.append(u if self.kind == "readout" else s)
        return torch.stack(out)


class Net(nn.Module):
    def __init__(self, kind: str, norm: bool = True, bias: bool = False) -> None:
        super().__init__()
        self.snn = nn.ModuleList(
            Cells(sent, size, own, norm, bias)
            for sent, size, own in ((INPUTS, 10, kind), (10, 9, kind), (9, 4, "readout"))
        )

    @torch.no_grad()
    def run(self, x: Tensor) -> tuple[list[Any], Any]:
        self.eval()
        spikes = []
        for layer in self.snn:
            x = layer.run(x)
            spikes.append(x.numpy())
        return spikes[:-1], spikes[-1]


@pytest.mark.parametrize(
    ("kind", "norm", "bias"),
    [("LIF", True, True), ("adLIF", True, False), ("RLIF", True, False), ("RadLIF", False, True)],
)
def test_every_spike(kind: str, norm: bool, bias: bool, tmp_path: Path) -> None:
    torch.manual_seed(9)
    net = Net(kind, norm, bias)
    torch.save(net.state_dict(), tmp_path / "best.pth")
    made = delrec_compile.import_model(tmp_path / "best.pth")
    x = torch.bernoulli(torch.full((STEPS, 2, INPUTS), 0.3))
    want, y = net.run(x)
    ours = ReferenceRunner(made.unfrozen).trace(x.numpy())
    for mine, other in zip(ours.spikes, want, strict=True):
        assert 0.01 < other.mean() < 0.8
        np.testing.assert_array_equal(mine, other)
    np.testing.assert_allclose(ours.y, y, atol=1e-4)
    assert made.network.readout.decision == "softmax_sum"
    assert f"snn.0 {kind}, snn.1 {kind}; threshold 1" in made.remarks[0]
    assert made.network.dt_ms == pytest.approx(14.14, abs=0.01)


FAULTS: dict[str, tuple[dict[str, Any], type[Exception], str, int]] = {
    "unknown": ({"snn.0.colour": torch.ones(1)}, CheckpointError, "unknown key 'snn.0.colour'", 3),
    "size": (
        {"snn.1.alpha": torch.ones(3)},
        CheckpointError,
        r"snn.1.alpha has shape \[3\]; \[9\] are required",
        3,
    ),
    "axes": (
        {"snn.0.V.weight": torch.ones(10, 3)},
        CheckpointError,
        r"snn.0.V.weight has shape \[10, 3\]",
        3,
    ),
    "spikes": (
        {"snn.2.V.weight": torch.ones(4, 4)},
        UnsupportedError,
        "snn.2: the last layer fires; a readout",
        4,
    ),
    "both ways": (
        {"snn.1.W.weight": torch.ones(9, 20)},
        UnsupportedError,
        "snn.0 is bidirectional",
        4,
    ),
}


@pytest.mark.parametrize("what", FAULTS)
def test_damage_and_what_no_network_has_are_named(what: str, tmp_path: Path) -> None:
    changed, error, message, code = FAULTS[what]
    torch.save(Net("RadLIF").state_dict() | changed, tmp_path / "a.pt")
    with refusal(error, message, code):
        delrec_compile.from_checkpoint(tmp_path / "a.pt")


def test_a_layer_norm_is_refused(tmp_path: Path) -> None:
    state = Net("LIF").state_dict()
    torch.save({k: v for k, v in state.items() if "running" not in k}, tmp_path / "a.pt")
    with refusal(UnsupportedError, "snn.0.norm is a LayerNorm", 4):
        delrec_compile.from_checkpoint(tmp_path / "a.pt")


def test_options_that_it_has_no_use_for(tmp_path: Path) -> None:
    torch.save({"net": Net("LIF").state_dict()}, tmp_path / "a.pt")
    with refusal(UsageError, "a checkpoint of sparch takes no recipe; allowed: dt_ms", 2):
        delrec_compile.from_checkpoint(tmp_path / "a.pt", recipe="shd")
