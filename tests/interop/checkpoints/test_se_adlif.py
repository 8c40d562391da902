"""Checkpoints of SE-adLIF, beside its paper's equations in a module that has the same keys."""

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
from delrec_compile.interop.checkpoints.se_adlif import U, _decay
from delrec_compile.runners.reference import ReferenceRunner

INPUTS, STEPS = 12, 80


class Trainer(nn.Module):
    """A time constant of each neuron: a share between two, or itself."""

    def __init__(self, size: int, low: float, high: float, shares: bool) -> None:
        super().__init__()
        drawn = torch.rand(size)
        self.weight = nn.Parameter(drawn if shares else low + (high - low) * drawn)
        self.register_buffer("tau_max", torch.tensor(high))
        self.register_buffer("tau_min", torch.tensor(low))
        self.shares = shares

    def decay(self) -> Tensor:
        w = self.weight
        tau = w * self.tau_max + (1 - w) * self.tau_min if self.shares else w
        return torch.exp(-1 / tau)


class Cell(nn.Module):
    """u' = alpha u + (1 - alpha)(I - w), a spike above 1; w' = beta w + (1 - beta) q (a u + b z)."""

    def __init__(self, sent: int, size: int, kind: str, recurrent: bool, shares: bool) -> None:
        super().__init__()
        self.kind, self.q = kind, {"se": 120.0, "ef": 60.0}.get(kind, 0.0)
        self.weight = nn.Parameter((torch.rand(size, sent) - 0.2) * 9 / sent**0.5)
        self.bias = nn.Parameter(torch.randn(size) * 0.1)
        if recurrent:
            self.recurrent = nn.Parameter(torch.randn(size, size) / size**0.5)
        self.tau_u_trainer = Trainer(size, 5.0, 25.0, shares)
        if kind != "lif":
            self.a, self.b = (nn.Parameter(torch.rand(size) * k) for k in (0.1, 0.2))
            self.tau_w_trainer = Trainer(size, 60.0, 300.0, shares)

    def run(self, x: Tensor) -> Tensor:
        """x: (T, batch, sent)."""
        alpha = self.tau_u_trainer.decay()
        beta = self.tau_w_trainer.decay() if self.kind != "lif" else alpha
        u = z = w = torch.zeros(x.shape[1], len(self.weight))
        out = []
        for row in x:
            current = row @ self.weight.T + self.bias
            if hasattr(self, "recurrent"):
                current = current + z @ self.recurrent.T
            before, fired = u, z
            u = alpha * u + (1 - alpha) * (current - w)
            z = (u > 1).float()
            u = u * (1 - z)
            if self.kind == "se":
                w = beta * w + (1 - beta) * (self.a * u + self.b * z) * self.q
            if self.kind == "ef":
                w = beta * w + (1 - beta) * (self.a * before + self.b * fired) * self.q
            out.append(z)
        return torch.stack(out)


class Readout(nn.Module):
    """u' = alpha u + (1 - alpha) I."""

    def __init__(self, sent: int, size: int, high: float = 15.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(size, sent))
        self.bias = nn.Parameter(torch.randn(size))
        self.tau_u_trainer = Trainer(size, 15.0, high, False)

    def run(self, x: Tensor) -> Tensor:
        u, out = torch.zeros(x.shape[1], len(self.weight)), []
        alpha = self.tau_u_trainer.decay()
        for row in x:
            u = alpha * u + (1 - alpha) * (row @ self.weight.T + self.bias)
            out.append(u)
        return torch.stack(out)


class Net(nn.Module):
    def __init__(self, kind: str, recurrent: bool = True, shares: bool = True) -> None:
        super().__init__()
        self.l1 = Cell(INPUTS, 10, kind, recurrent, shares)
        self.l2 = Cell(10, 9, kind, recurrent, shares)
        self.out_layer = Readout(9, 4)

    @torch.no_grad()
    def run(self, x: Tensor) -> tuple[list[Any], Any]:
        first = self.l1.run(x)
        second = self.l2.run(first)
        return [first.numpy(), second.numpy()], self.out_layer.run(second).numpy()


@pytest.mark.parametrize(
    ("kind", "recurrent", "shares"),
    [("se", True, True), ("ef", True, True), ("se", False, False), ("lif", True, False)],
)
def test_every_spike(kind: str, recurrent: bool, shares: bool, tmp_path: Path) -> None:
    torch.manual_seed(5)
    net = Net(kind, recurrent, shares)
    torch.save({"state_dict": net.state_dict(), "epoch": 3}, tmp_path / "best.ckpt.pt")
    recipe = None if kind == "lif" else f"{kind}-adlif"
    made = delrec_compile.import_model(tmp_path / "best.ckpt.pt", recipe=recipe)
    x = torch.bernoulli(torch.full((STEPS, 2, INPUTS), 0.3))
    want, y = net.run(x)
    ours = ReferenceRunner(made.unfrozen).trace(x.numpy())
    for mine, other in zip(ours.spikes, want, strict=True):
        assert 0.01 < other.mean() < 0.8
        np.testing.assert_array_equal(mine, other)
    np.testing.assert_allclose(ours.y, y, atol=1e-4)
    assert made.network.dt_ms == 4.0
    assert any("q 120" in r for r in made.remarks) == (kind == "se")


def test_layers_of_a_sequence_and_what_the_file_does_not_tell(tmp_path: Path) -> None:
    torch.manual_seed(5)
    net = Net("se")
    names = {"l1": "model.0", "l2": "model.1", "out_layer": "model.2"}
    state = {}
    for key, value in net.state_dict().items():
        layer, _, last = key.partition(".")
        state[f"module.{names[layer]}.{last}"] = value
    path = tmp_path / "a.pt"
    torch.save(state, path)
    with refusal(UnsupportedError, "the order of its adaptation, nor .* se-adlif .q 120", 4):
        delrec_compile.import_model(path)
    made = delrec_compile.import_model(path, recipe="se-adlif", q=60.0)
    rho = np.exp(-1 / (60 + 240 * state["module.model.0.tau_w_trainer.weight"].numpy()))
    b = state["module.model.0.b"].numpy()
    np.testing.assert_allclose(made.network.layers[0].neuron.b, (1 - rho) * 60 * b, rtol=1e-4)
    for wrong, message in (
        ({"recipe": "lif"}, "unknown recipe 'lif'; allowed: se-adlif, ef-adlif"),
        ({"recipe": "se-adlif", "q": -1.0}, "q is -1.0; a positive number"),
        ({"tau": 2.0}, "a checkpoint of SE-adLIF takes no tau; allowed: recipe, q"),
    ):
        with refusal(UsageError, message, 2):
            delrec_compile.from_checkpoint(path, **wrong)


FAULTS: dict[str, tuple[type[Exception], str]] = {
    "l1.colour": (CheckpointError, "unknown key 'l1.colour'"),
    "l1.recurrent": (CheckpointError, r"l1.recurrent has shape \[3, 3\]; \[10, 10\] is required"),
    "l1.bias": (CheckpointError, r"l1.bias has shape \[3, 3\]; 1 axes are required"),
    "l1.tau_u_trainer.weight": (CheckpointError, r"l1.tau_u_trainer.weight has shape \[3, 3\]"),
}


@pytest.mark.parametrize("key", FAULTS)
def test_damage_is_named(key: str, tmp_path: Path) -> None:
    torch.save(Net("se").state_dict() | {key: torch.ones(3, 3)}, tmp_path / "a.pt")
    with refusal(FAULTS[key][0], FAULTS[key][1], 3):
        delrec_compile.from_checkpoint(tmp_path / "a.pt", recipe="se-adlif")


def test_time_constants_that_may_be_two_things_or_differ(tmp_path: Path) -> None:
    net = Net("lif")
    net.out_layer = Readout(9, 4, high=40.0)
    torch.save(net.state_dict(), tmp_path / "a.pt")
    made = delrec_compile.import_model(tmp_path / "a.pt")
    x = torch.bernoulli(torch.full((STEPS, 2, INPUTS), 0.3))
    ours = ReferenceRunner(made.unfrozen).trace(x.numpy())
    np.testing.assert_allclose(ours.y, net.run(x)[1], atol=1e-4)
    assert len(made.network.readout.beta) == 4
    net.l1.tau_u_trainer.tau_min.fill_(0.0)
    torch.save(net.state_dict(), tmp_path / "a.pt")
    with refusal(UnsupportedError, "l1.tau_u_trainer.weight may be a share between, or one of", 4):
        delrec_compile.import_model(tmp_path / "a.pt")


def test_a_time_constant_of_no_length_is_refused() -> None:
    """A share of 0 between none and half a step."""
    own = {"weight": np.zeros((2, 1)), f"{U}.tau_min": np.zeros(1), f"{U}.tau_max": np.full(1, 0.5)}
    with refusal(CheckpointError, "a time constant of 0; above 0 is required", 3):
        _decay("a.pth", "l1", own | {f"{U}.weight": np.array([0.0, 1.0])}, U)
    decay = _decay("a.pth", "l1", own | {f"{U}.weight": np.array([0.5, 1.0])}, U)
    np.testing.assert_allclose(decay, np.exp([-4, -2]), rtol=1e-6)
