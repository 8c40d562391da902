"""Checkpoints of SNN-delays, beside its equations: padded sequences, kernels over time, LIF neurons."""

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
from delrec_compile.interop.checkpoints.snn_delays import RECIPES
from delrec_compile.runners.reference import ReferenceRunner

INPUTS, HIDDEN, STEPS = 12, 10, 60


class Delayed(nn.Module):
    """Weights (out, in, count) at real positions from the middle of a kernel: what a Dcls1d holds."""

    def __init__(self, sent: int, received: int, length: int, count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(received, sent, count) * 1.5 / sent**0.5)
        self.P = nn.Parameter((torch.rand(1, received, sent, count) - 0.5) * (length - 1))
        self.SIG = nn.Parameter(torch.zeros(1, received, sent, count))
        self.length = length

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, sent, T). Zeros come before it; the kernel's last step is now."""
        kernel = torch.zeros(*self.weight.shape[:2], self.length)
        at = (self.P[0].round() + self.length // 2).long()
        kernel.scatter_add_(2, at, self.weight.detach())
        late = (self.length - 1) // 2
        padded = nn.functional.pad(x, (self.length - 1, late))
        # what is behind the middle of the kernel would come before it is sent: T steps are kept
        return nn.functional.conv1d(padded, kernel)[..., : x.shape[-1]]


class Net(nn.Module):
    """Blocks of weights with delays, a BatchNorm, neurons and a Dropout; a last block without."""

    def __init__(self, length: int, tau: float, outputs: int, filtered: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for sent in (INPUTS, HIDDEN):
            norm = nn.BatchNorm1d(HIDDEN)
            nn.init.uniform_(norm.running_mean, -0.3, 0.1)
            nn.init.uniform_(norm.running_var, 0.5, 1.5)
            layers += [Delayed(sent, HIDDEN, length, 1), norm, nn.Identity(), nn.Dropout()]
            layers += [nn.Identity()] if filtered else []
        self.model = nn.Sequential(*layers, Delayed(HIDDEN, outputs, length, 2), nn.Identity())
        self.beta = 1 - 1 / tau

    @torch.no_grad()
    def run(self, x: Tensor) -> tuple[list[Any], Any]:
        """Spikes (T, batch, N) of each block, and the last membranes."""
        spikes = []
        for k in (0, 4):
            currents = self.model[k + 1].eval()(self.model[k](x))
            fired, v = [], torch.zeros(currents.shape[:2])
            for current in currents.unbind(2):
                v = self.beta * v + current
                fired.append((v >= 1).float())
                v = v * (v < 1)
            x = torch.stack(fired, 2)
            spikes.append(x.permute(2, 0, 1).numpy())
        out, v = [], torch.zeros(len(x), 1)
        for current in self.model[8](x).unbind(2):
            v = self.beta * v + current
            out.append(v)
        return spikes, torch.stack(out).numpy()


def saved(path: Path, net: nn.Module) -> Path:
    torch.save(net.state_dict(), path)
    return path


@pytest.mark.parametrize(
    ("recipe", "tau", "length", "outputs"),
    [("snn-delays-shd", 1.005, 25, 20), ("snn-delays-ssc", 1.5, 31, 35)],
)
def test_every_spike(recipe: str, tau: float, length: int, outputs: int, tmp_path: Path) -> None:
    torch.manual_seed(3)
    net = Net(length, tau, outputs)
    made = delrec_compile.import_model(saved(tmp_path / "best.pt", net))
    assert made.network.notes["recipe"] == recipe
    x = torch.bernoulli(torch.full((2, INPUTS, STEPS), 0.2))
    want, y = net.run(x)
    ours = ReferenceRunner(made.unfrozen).trace(x.permute(2, 0, 1).numpy())
    for mine, other in zip(ours.spikes, want, strict=True):
        assert 0.02 < other.mean() < 0.8
        np.testing.assert_array_equal(mine, other)
    np.testing.assert_allclose(ours.y, y, atol=1e-4)
    assert any("model.0: positions rounded" in remark for remark in made.remarks)
    assert set(RECIPES) >= {recipe}


def test_options_and_refusals(tmp_path: Path) -> None:
    torch.manual_seed(3)
    path = saved(tmp_path / "a.pt", Net(25, 1.005, 7))
    with refusal(
        UnsupportedError, "does not tell .* snn-delays-shd .*, snn-delays-ssc", 4, tmp_path
    ):
        delrec_compile.import_model(path)
    made = delrec_compile.from_checkpoint(
        path, recipe="snn-delays-shd", tau=3, layers={0: {"threshold": 0.5}}, dt_ms=2.0
    )
    first, second = (p.neuron for p in made.network.spiking)
    assert (first.threshold, second.threshold) == (0.5, 1.0)
    assert first.beta == pytest.approx(2 / 3)
    assert made.network.dt_ms == 2.0
    with refusal(UsageError, "unknown recipe 'delrec-shd'; allowed: snn-delays-shd", 2):
        delrec_compile.from_checkpoint(path, recipe="delrec-shd")
    with refusal(UsageError, "a checkpoint of SNN-delays takes no sigma; allowed: recipe", 2):
        delrec_compile.from_checkpoint(path, sigma=0.1)
    with refusal(UsageError, "model.0.P: a position of .* lies outside of kernels of 3 steps", 2):
        delrec_compile.from_checkpoint(path, recipe="snn-delays-shd", kernel_length=3)
    stateful = saved(tmp_path / "b.pt", Net(25, 1.005, 20, filtered=True))
    with refusal(UnsupportedError, r"model.4: a layer behind the Dropout .* SynapseFilter", 4):
        delrec_compile.import_model(stateful)
    broken = Net(25, 1.005, 20).state_dict()
    broken["model.0.P"] = broken["model.0.P"][:, :3]
    torch.save(broken, tmp_path / "c.pt")
    with refusal(CheckpointError, "model.0.P has shape .1, 3, 12, 1.; .1, 10, 12, 1. is", 3):
        delrec_compile.import_model(tmp_path / "c.pt")
