"""snnTorch's own models beside the networks made of them: every spike of 200 steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from grids import grid, on_grid, same_spikes
from helpers import refusal
from torch import nn

import delrec_compile
from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.packages import package
from delrec_compile.interop.result import Imported
from delrec_compile.runners.reference import ReferenceRunner

pytestmark = pytest.mark.filterwarnings("ignore")
pytest.importorskip("snntorch")
snn = package("snntorch")


def imported(model: nn.Module, **options: Any) -> Imported:
    return delrec_compile.from_snntorch(on_grid(model), max_input=4, **options)


def leaky(**options: Any) -> Any:
    return snn.Leaky(**({"beta": 0.5, "init_hidden": True} | options))


def rleaky(**options: Any) -> Any:
    return snn.RLeaky(**({"beta": 0.5, "init_hidden": True} | options))


LEAKY = {
    "subtract": {},
    "zero": {"reset_mechanism": "zero"},
    "zero_at_once": {"reset_mechanism": "zero", "reset_delay": False},
    "threshold": {"threshold": 1.5, "beta": 0.75},
    "odd_beta": {"beta": 0.9},
    "own": {
        "beta": torch.tensor([0.25, 0.5, 1.5, 0.75] * 4),
        "threshold": torch.linspace(0.5, 2, 16),
    },
    "learned": {"learn_beta": True, "learn_threshold": True},
}


@pytest.mark.parametrize("form", LEAKY)
def test_leaky(form: str) -> None:
    model = nn.Sequential(nn.Linear(10, 16), leaky(**LEAKY[form]), nn.Linear(16, 8), leaky())
    made = imported(model)
    same_spikes(made)
    assert made.network.layers[0].lif.fires == "above"


def test_convolutions() -> None:
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3),
        leaky(),
        nn.Flatten(),
        nn.Linear(64, 5),
        leaky(reset_mechanism="zero", output=True),
    )
    made = imported(model, input_shape=(2, 6, 6))
    same_spikes(made)
    assert made.network.layers[0].maps is not None


RLEAKY = {
    "linear": {"linear_features": 16},
    "zero_at_once": {
        "linear_features": 16,
        "reset_mechanism": "zero",
        "reset_delay": False,
    },
    "one_to_one": {"all_to_all": False, "V": torch.linspace(-1, 1, 17)[:16]},
    "one_value": {"all_to_all": False, "V": 0.5},
}


@pytest.mark.parametrize("form", RLEAKY)
def test_rleaky(form: str) -> None:
    same_spikes(imported(nn.Sequential(nn.Linear(10, 16), rleaky(**RLEAKY[form]))))


def test_rleaky_over_maps() -> None:
    own = rleaky(conv2d_channels=3, kernel_size=3)
    made = imported(nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), own), input_shape=(1, 5, 6))
    same_spikes(made)
    assert made.network.layers[0].recurrence.kind == "conv2d_delay"  # type: ignore[union-attr]


class Loop(nn.Module):
    """A loop over time of one's own, with membranes handed on."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(10, 12), snn.Leaky(beta=0.5)
        self.fc2, self.lif2 = nn.Linear(12, 4), snn.Leaky(beta=0.5, reset_mechanism="none")

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mem1, mem2 = self.lif1.reset_mem(), self.lif2.reset_mem()
        spikes, membranes = [], []
        for row in x:
            spk1, mem1 = self.lif1(self.fc1(row), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
            membranes.append(mem2)
        return torch.stack(spikes), torch.stack(membranes)


def test_a_loop_of_ones_own_with_membranes_as_outputs() -> None:
    model = Loop()
    made = imported(model, whole=True)
    same_spikes(made)
    assert made.network.readout.kind == "leaky"
    x = torch.randint(0, 3, (60, 3, 10)).float()
    ours = ReferenceRunner(made.network).trace(x.numpy()).y
    torch.testing.assert_close(torch.from_numpy(ours), model(x)[1].detach(), rtol=0, atol=1e-5)


REFUSED = {
    "subtract_at_once": (lambda: leaky(reset_delay=False), "subtraction without reset_delay"),
    "rleaky_zero": (lambda: rleaky(linear_features=4, reset_mechanism="zero"), "drops currents"),
    "synaptic": (
        lambda: snn.Synaptic(alpha=1, beta=1, init_hidden=True),
        "networks have no Synaptic",
    ),
    "inhibition": (lambda: leaky(inhibition=True), "no inhibition"),
    "graded": (lambda: leaky(graded_spikes_factor=2.0), "no graded spikes"),
    "threshold": (lambda: leaky(threshold=-1.0), "threshold|reset"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refusals(what: str) -> None:
    make, message = REFUSED[what]
    with refusal(UnsupportedError, f"1: .*{message}", 4):
        delrec_compile.from_snntorch(nn.Sequential(nn.Linear(4, 4), make()))


class Own(nn.Module):
    """A model whose neurons fire seldom, and what its forward does with the parts."""

    def __init__(self, forward: Any, threshold: float = 4.5) -> None:
        super().__init__()
        self.a, self.l = nn.Linear(10, 8, bias=False), leaky(threshold=threshold)
        self.b, self.m = nn.Linear(8, 8, bias=False), leaky(output=True)
        self.own = forward

    def forward(self, x: torch.Tensor) -> Any:
        return self.own(self, x)


def skipping(model: Own, x: torch.Tensor) -> Any:
    a = model.a(x)
    b = model.b(model.l(a))
    b += a
    return model.m(b)[0]


ELSEWHERE = {
    "scaled_end": lambda m, x: m.b(m.l(m.a(x))) * 100,
    "added_end": lambda m, x: m.b(m.l(m.a(x))) + m.a.weight.sum(),
    "part_of_the_end": lambda m, x: m.b(m.l(m.a(x)))[:, :4],
    "membrane_of_spikes": lambda m, x: m.m(m.b(m.l(m.a(x))))[1],
    "skip": skipping,
    "scaled": lambda m, x: m.b(m.l(m.a(x)).mul_(3)),
    "turned": lambda m, x: m.b(m.l(m.a(x)).flip(1)),
}


@pytest.mark.parametrize("what", ELSEWHERE)
def test_what_is_computed_elsewhere_is_seen_though_nothing_fires(what: str) -> None:
    with refusal(UnsupportedError, "nothing computed between them|output is not that of", 4):
        delrec_compile.from_snntorch(Own(ELSEWHERE[what]))


class Binary(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x, self.weight.sign(), self.bias)


def hooked(module: nn.Module) -> nn.Module:
    module.register_forward_hook(lambda _m, _x, y: y * 3)
    return module


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (lambda: Binary(8, 4), "2: does not give what a Linear gives"),
        (lambda: hooked(nn.Linear(8, 4)), "2: does not give what a Linear gives"),
        (lambda: hooked(nn.Identity()), "2: does not give what a Identity gives"),
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
    with refusal(UnsupportedError, "0: gives numbers that are not finite", 4):
        delrec_compile.from_snntorch(model)


OTHER = {
    "dilated": (nn.Conv2d(2, 2, 3, padding=2, dilation=2), "does not give what a Conv2d"),
    "circular": (nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"), "does not give what"),
    "groups": (nn.Conv2d(2, 2, 3, padding=1, groups=2), "in groups or with strides"),
    "several": (nn.Sequential(nn.Conv2d(2, 2, 3, padding=1)), "recurrent weights in a Sequential"),
}


@pytest.mark.parametrize("what", OTHER)
def test_recurrent_weights_that_were_replaced(what: str) -> None:
    own = rleaky(conv2d_channels=2, kernel_size=3)
    own.recurrent, message = OTHER[what]
    with refusal(UnsupportedError, f"1.*{message}", 4):
        delrec_compile.from_snntorch(nn.Sequential(nn.Conv2d(1, 2, 3), own), input_shape=(1, 7, 7))


def test_a_membrane_returned_alone() -> None:
    class Membrane(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x)[1]

    last = leaky(reset_mechanism="none", output=True)
    made = imported(Membrane(nn.Linear(10, 16), leaky(), nn.Linear(16, 4), last))
    same_spikes(made)
    assert made.network.readout.kind == "leaky"


def test_spikes_that_are_no_steps_are_told_from_rounding() -> None:
    model = nn.Sequential(
        nn.Linear(10, 8), leaky(spike_grad=lambda v: torch.sigmoid(5 * v)), nn.Linear(8, 4)
    )
    found = imported(model).check(20, frozen=False)
    assert found.misread
    assert found.margin is not None
    assert found.margin > 0.01


class Slightly:
    """The unfrozen network with weights that are a little larger."""

    name = "slightly"

    def __init__(self, made: Imported, share: float) -> None:
        first, *rest = made.unfrozen.layers
        first = replace(first, weight=first.weight * np.float32(1 + share))
        self.network = replace(made.unfrozen, layers=(first, *rest))

    def spikes(self, x: Any) -> list[Any]:
        return list(ReferenceRunner(self.network).trace(x).spikes)


@pytest.mark.parametrize(("share", "misread"), [(1e-4, False), (0.1, True)])
def test_rounding_is_no_other_model(share: float, misread: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 64), leaky(beta=0.9), nn.Linear(64, 64), leaky(beta=0.9))
    made = delrec_compile.from_snntorch(model, max_input=4)
    x = np.random.default_rng(0).random((200, 4, 10)).astype(np.float32) * 4
    found = replace(made, model=Slightly(made, share)).check(x=x, frozen=False)
    assert found.differing
    assert found.misread == misread


def test_no_reset_before_the_last_layer() -> None:
    model = nn.Sequential(nn.Linear(4, 4), leaky(reset_mechanism="none"), nn.Linear(4, 4), leaky())
    with refusal(UnsupportedError, "1: neurons that are never reset can only be the last", 4):
        delrec_compile.from_snntorch(model)


def test_weights_off_the_grid_differ_little() -> None:
    torch.manual_seed(1)
    made = delrec_compile.from_snntorch(nn.Sequential(nn.Linear(10, 64), leaky()), max_input=4)
    found = made.check(200)
    assert found.spikes > 200
    assert found.differing <= found.compared // 1000
    assert not grid(torch.from_numpy(made.network.layers[0].weight)).equal(
        torch.from_numpy(made.network.layers[0].weight)
    )


def test_the_nir_graph_that_snntorch_writes() -> None:
    pytest.importorskip("nirtorch")
    export = package("snntorch.export_nir").export_to_nir
    told = {"threshold": torch.ones(16), "reset_mechanism": "zero"}
    told |= {"beta": torch.full((16,), 0.75)}
    own = rleaky(linear_features=16, reset_delay=False, **told)
    model = on_grid(nn.Sequential(nn.Linear(10, 16), leaky(**told), nn.Linear(16, 16), own))
    made = delrec_compile.from_snntorch(model, max_input=4)
    graph = export(model, torch.zeros(1, 10), ignore_dims=[0])
    read = delrec_compile.from_nir(graph, dt_ms=0.1, max_input=4)  # its dt is 1e-4 s
    same_spikes(replace(read, model=made.model))
