"""snnTorch's own models beside the networks made of them: every spike of 200 steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from fixtures.snntorch import imported, leaky, rleaky, snn
from grids import grid, on_grid, same_spikes
from helpers import refusal
from torch import nn
from torch.nn import functional

import delrec_compile
from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.packages import package
from delrec_compile.ops.real_input import RealInput
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.torch_runner import TorchRunner

pytestmark = pytest.mark.filterwarnings("ignore")
pytest.importorskip("snntorch")
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


@pytest.mark.parametrize(
    "constants", [{"R": 1.0, "C": 2.0}, {"R": 2.0, "C": 1.0, "threshold": 0.75}]
)
def test_lapicque(constants: dict[str, float]) -> None:
    model = nn.Sequential(nn.Linear(10, 16), snn.Lapicque(**constants, init_hidden=True))
    made = imported(model)
    same_spikes(made)
    assert made.network.layers[0].lif.beta == 0.5
    other = nn.Sequential(nn.Linear(10, 16), snn.Lapicque(beta=0.9, init_hidden=True))
    assert not imported(other).check(60, frozen=False).misread


NEURONS = {
    "synaptic": lambda **own: snn.Synaptic(0.75, 0.5, init_hidden=True, **own),
    "synaptic_constants": lambda **own: snn.Synaptic(
        torch.linspace(0, 1, 16), torch.linspace(0.5, 1, 16), 0.75, init_hidden=True, **own
    ),
    "synaptic_odd": lambda **own: snn.Synaptic(0.9, 0.7, init_hidden=True, **own),
    "alpha": lambda **own: snn.Alpha(0.75, 0.5, init_hidden=True, threshold=0.25, **own),
    "lapicque": lambda **own: snn.Lapicque(R=1.0, C=2.0, init_hidden=True, **own),
    "rleaky": lambda **own: rleaky(linear_features=16, **own),
    "rsynaptic": lambda **own: snn.RSynaptic(0.5, 0.5, linear_features=16, init_hidden=True, **own),
}


@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("name", NEURONS)
def test_neurons_with_a_current_and_their_resets(name: str, reset: str) -> None:
    torch.manual_seed(0)
    own = NEURONS[name](reset_mechanism=reset)
    made = imported(nn.Sequential(nn.Linear(10, 16), own, nn.Linear(16, 8), leaky()))
    same_spikes(made)
    neuron = made.network.layers[0].neuron
    assert neuron.attributes()["reset"] == {"subtract": "soft_later", "zero": "hard_later"}[reset]


def test_a_zero_reset_at_once_behind_a_current() -> None:
    own = snn.Synaptic(0.75, 0.5, init_hidden=True, reset_mechanism="zero", reset_delay=False)
    same_spikes(imported(nn.Sequential(nn.Linear(10, 16), own)))


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
    made = imported(model, takes_sequences=True)
    same_spikes(made)
    assert made.network.readout.kind == "leaky"
    x = torch.randint(0, 3, (60, 3, 10)).float()
    ours = ReferenceRunner(made.network).trace(x.numpy()).y
    torch.testing.assert_close(torch.from_numpy(ours), model(x)[1].detach(), rtol=0, atol=1e-5)


REFUSED = {
    "subtract_at_once": (lambda: leaky(reset_delay=False), "subtraction without reset_delay"),
    "synaptic_subtract_at_once": (
        lambda: snn.Synaptic(alpha=0.5, beta=0.5, init_hidden=True, reset_delay=False),
        "subtraction without reset_delay",
    ),
    "recurrent_readout": (
        lambda: rleaky(linear_features=4, reset_mechanism="none"),
        "neurons that are never reset can only be the last, without a recurrence",
    ),
    "unknown": (lambda: snn.LeakyParallel(4, 4), "networks have no LeakyParallel"),
    "inhibition": (lambda: leaky(inhibition=True), "no inhibition"),
    "graded": (lambda: leaky(graded_spikes_factor=2.0), "no graded spikes"),
    "threshold": (lambda: leaky(threshold=-1.0), "threshold|reset"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refusals(what: str) -> None:
    make, message = REFUSED[what]
    with refusal(UnsupportedError, f"1: .*{message}", 4):
        delrec_compile.from_snntorch(nn.Sequential(nn.Linear(4, 4), make()))


OTHER = {
    "dilated": (nn.Conv2d(2, 2, 3, padding=2, dilation=2), "its output is not that of a Conv2d"),
    "circular": (
        nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"),
        "its output is not that of",
    ),
    "groups": (nn.Conv2d(2, 2, 3, padding=1, groups=2), "in groups or with strides"),
    "even": (nn.Conv2d(2, 2, 2, padding="same"), "kernel that is not square and odd"),
    "of one row": (nn.Conv2d(2, 2, (1, 3), padding="same"), "kernel that is not square and odd"),
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

    beta = torch.tensor([0.25, 0.5, 0.75, 0.875])
    last = leaky(beta=beta, reset_mechanism="none", output=True)
    made = imported(Membrane(nn.Linear(10, 16), leaky(), nn.Linear(16, 4), last))
    same_spikes(made)
    assert made.network.readout.kind == "leaky"
    assert np.array_equal(made.network.readout.beta, beta)


EACH = torch.tensor([0.875, 0.25, 0.5, 0.125])


@pytest.mark.parametrize("kind", ["Synaptic", "Alpha"])
@pytest.mark.parametrize(
    ("alpha", "beta"), [(0.75, 0.5), (0.9 * EACH, EACH * 0.6)], ids=["one for all", "one each"]
)
def test_a_membrane_behind_a_synaptic_current(kind: str, alpha: Any, beta: Any) -> None:
    own = {"alpha": alpha, "beta": beta, "reset_mechanism": "none", "output": True}
    last = getattr(snn, kind)(init_hidden=True, **own)
    model = nn.Sequential(nn.Linear(10, 16), leaky(), nn.Linear(16, 4), last)
    made = imported(model)
    same_spikes(made)
    assert made.network.readout.kind == "synaptic"
    assert made.network.readout.has_own == isinstance(alpha, torch.Tensor)
    x = torch.randint(0, 3, (200, 1, 10)).float()
    ours = ReferenceRunner(made.network).trace(x.numpy()).y
    last.reset_mem()
    model[1].reset_mem()
    theirs = torch.stack([model(row)[-1] for row in x]).detach()
    torch.testing.assert_close(torch.from_numpy(ours), theirs, rtol=1e-4, atol=1e-4)


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


def test_a_picture_at_every_step_is_that_of_snntorch() -> None:
    """Direct encoding: grey values as a current at every step."""
    from snntorch import utils

    torch.manual_seed(0)
    options = {"beta": 0.9375, "init_hidden": True}
    parts = (nn.Linear(49, 32), snn.Leaky(**options), nn.Linear(32, 10), snn.Leaky(**options))
    model = nn.Sequential(*parts)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 1, 49)).astype(np.float32) / 255
    x = np.repeat(pixels, 25, axis=0)
    utils.reset(model)
    with torch.no_grad():
        want = np.stack([model(row).numpy() for row in torch.from_numpy(x)])
    made = delrec_compile.from_snntorch(model, max_input=1, input_bits=8)
    spikes = TorchRunner(made.network).trace(x).spikes[1]
    assert want.sum() > 10
    np.testing.assert_array_equal(spikes, want)
    assert made.check(x=x).differing <= 4  # of 1,050, in both layers
    chosen = delrec_compile.from_snntorch(model).with_real_input(x)
    assert chosen.network.real_input == RealInput(9, 1.0)
    assert chosen.check(x=x).differing <= 4


class FullyConnected(nn.Module):
    """As in tutorial 5: a loop over one picture, states in `forward`, spikes and membranes out."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(49, 32), snn.Leaky(beta=0.9375)
        self.fc2, self.lif2 = nn.Linear(32, 10), snn.Leaky(beta=0.9375)

    def forward(self, x: torch.Tensor) -> Any:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spikes, membranes = [], []
        for _ in range(10):
            spk1, mem1 = self.lif1(self.fc1(x), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
            membranes.append(mem2)
        return torch.stack(spikes), torch.stack(membranes)


class Convolutional(nn.Module):
    """As in tutorial 6: functions that pool, states in `forward`, here over all steps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.lif1 = nn.Conv2d(1, 4, 5), snn.Leaky(beta=0.5)
        self.conv2, self.lif2 = nn.Conv2d(4, 6, 5), snn.Leaky(beta=0.5)
        self.fc1, self.lif3 = nn.Linear(6, 10), snn.Leaky(beta=0.5)

    def forward(self, x: torch.Tensor) -> Any:
        mem1, mem2, mem3 = (lif.init_leaky() for lif in (self.lif1, self.lif2, self.lif3))
        spikes = []
        for row in x:
            spk1, mem1 = self.lif1(functional.max_pool2d(self.conv1(row), 2), mem1)
            spk2, mem2 = self.lif2(functional.max_pool2d(self.conv2(spk1), 2), mem2)
            spk3, mem3 = self.lif3(self.fc1(spk2.flatten(1)), mem3)
            spikes.append(spk3)
        return torch.stack(spikes)


def events() -> nn.Module:
    """As in tutorial 7, for N-MNIST: the plain row of modules."""
    return nn.Sequential(
        *(nn.Conv2d(2, 12, 5), nn.MaxPool2d(2), leaky()),
        *(nn.Conv2d(12, 32, 5), nn.MaxPool2d(2), leaky()),
        *(nn.Flatten(), nn.Linear(32 * 5 * 5, 10), leaky(output=True)),
    )


TUTORIALS: dict[str, tuple[Any, dict[str, Any]]] = {
    "5": (FullyConnected, {}),
    "6": (Convolutional, {"input_shape": (1, 16, 16), "takes_sequences": True}),
    "7": (events, {"input_shape": (2, 34, 34)}),
}


@pytest.mark.parametrize("number", TUTORIALS)
def test_the_networks_of_the_tutorials(number: str) -> None:
    torch.manual_seed(0)
    model, options = TUTORIALS[number]
    made = delrec_compile.from_snntorch(on_grid(model()), max_input=2, **options)
    check = made.check(10, batch=2, frozen=False)
    assert (check.differing, check.firing.silent) == (0, False)
    assert made.network.outputs == 10
