"""SpikingJelly's own models beside the networks made of them: every spike of 200 steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from grids import on_grid, same_spikes
from helpers import refusal
from torch import nn

import delrec_compile
from delrec_compile.errors import UnsupportedError, UsageError
from delrec_compile.interop.packages import package
from delrec_compile.interop.result import Imported

pytestmark = pytest.mark.filterwarnings("ignore")
pytest.importorskip("spikingjelly")
neuron = package("spikingjelly.activation_based.neuron")
layer = package("spikingjelly.activation_based.layer")
functional = package("spikingjelly.activation_based.functional")


def imported(model: nn.Module, **options: Any) -> Imported:
    return delrec_compile.from_spikingjelly(on_grid(model), max_input=4, **options)


NODES = {
    "plain": lambda: neuron.LIFNode(tau=2.0, decay_input=False),
    "decay": lambda: neuron.LIFNode(tau=2.0, v_threshold=0.5),
    "soft": lambda: neuron.LIFNode(tau=4.0, decay_input=False, v_reset=None),
    "soft_decay": lambda: neuron.LIFNode(tau=2.0, v_threshold=0.5, v_reset=None),
    "rest": lambda: neuron.LIFNode(tau=2.0, decay_input=False, v_reset=-0.25),
    "integrate": lambda: neuron.IFNode(v_threshold=1.5),
    "learned": lambda: neuron.ParametricLIFNode(init_tau=2.0, decay_input=False),
}


@pytest.mark.parametrize("kind", NODES)
def test_neurons(kind: str) -> None:
    model = nn.Sequential(
        layer.Linear(10, 24), NODES[kind](), nn.Linear(24, 8, bias=False), NODES[kind]()
    )
    made = imported(model)
    same_spikes(made)
    assert made.network.readout.kind == "linear"


@pytest.mark.parametrize("mode", ["s", "m"])
def test_convolutions_norms_and_pools(mode: str) -> None:
    torch.manual_seed(0)
    dense = nn.Sequential if mode == "s" else layer.SeqToANNContainer
    conv = nn.Sequential(layer.Conv2d(2, 4, 3, padding=1, bias=False), layer.BatchNorm2d(4))
    model = nn.Sequential(
        conv,
        neuron.LIFNode(tau=2.0, decay_input=False),
        layer.AvgPool2d(2),
        layer.Conv2d(4, 6, 3, stride=2),
        neuron.IFNode(),
        layer.Flatten(),
        layer.Dropout(0.5),
        dense(nn.Linear(6, 10), nn.BatchNorm1d(10)),
        neuron.LIFNode(tau=2.0, decay_input=False),
        layer.VotingLayer(2),
    )
    model = on_grid(model, scale=2.0)
    for m in model.modules():
        if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d):
            m.eps = 0.0  # a power of two stays one
            m.running_var = torch.full_like(m.running_var, 4.0)
            m.weight.data = torch.full_like(m.weight.data, 2.0)
            m.bias.data = torch.full_like(m.bias.data, 0.25)
            m.running_mean = torch.full_like(m.running_mean, 0.125)
    functional.set_step_mode(model, mode)
    made = delrec_compile.from_spikingjelly(model, input_shape=(2, 8, 8), max_input=4)
    same_spikes(made, least=50)
    assert made.network.layers[0].maps is not None
    assert made.network.layers[2].maps is None
    assert made.network.outputs == 5


def test_one_axis_and_a_silent_readout() -> None:
    model = nn.Sequential(
        nn.Conv1d(1, 3, 5, padding=2),
        neuron.LIFNode(tau=2.0, decay_input=False),
        nn.Flatten(),
        nn.Linear(36, 5),
        neuron.LIFNode(tau=4.0, decay_input=False, v_threshold=1e9),
    )
    made = imported(model, input_shape=(1, 12))
    same_spikes(made)
    assert (made.network.readout.kind, made.network.readout.beta) == ("leaky", 0.75)
    assert "never fires" in made.remarks[0]
    x = torch.randint(0, 3, (50, 2, 12)).float()
    from delrec_compile.runners.reference import ReferenceRunner

    ours = ReferenceRunner(made.network).trace(x.numpy()).y
    functional.reset_net(model)
    model.eval()
    for t, row in enumerate(x):
        model(row.reshape(2, 1, 12))
        torch.testing.assert_close(torch.from_numpy(ours[t]), model[4].v, rtol=0, atol=1e-5)


@pytest.mark.parametrize("mode", ["s", "m"])
def test_recurrent_containers(mode: str) -> None:
    inner = nn.Sequential(nn.Linear(10, 16), neuron.LIFNode(tau=2.0, decay_input=False))
    model = nn.Sequential(
        layer.LinearRecurrentContainer(inner, 10, 16, step_mode=mode),
        layer.Linear(16, 12, step_mode=mode),
        layer.ElementWiseRecurrentContainer(
            neuron.LIFNode(tau=2.0), lambda x, y: y + x, step_mode=mode
        ),
    )
    made = imported(model)
    kinds = [y.recurrence.kind for y in made.network.layers if y.recurrence]
    assert kinds == ["dense_delay", "conv_delay"]
    found = made.check(200)
    assert found.spikes > 200
    # two matrices in a row are one, rounded once
    assert found.differing <= found.compared // 1000


def test_a_recurrent_container_of_neurons_alone() -> None:
    own = layer.LinearRecurrentContainer(neuron.LIFNode(tau=2.0, decay_input=False), 12, 12)
    same_spikes(imported(nn.Sequential(nn.Linear(9, 12), own)))


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_delays_of_spikes(steps: int) -> None:
    lif = neuron.LIFNode(tau=2.0, decay_input=False)
    model = nn.Sequential(
        nn.Linear(10, 12),
        lif,
        layer.Delay(steps),
        nn.Linear(12, 8),
        neuron.LIFNode(tau=2.0, decay_input=False),
    )
    made = imported(model)
    same_spikes(made)
    assert (len(made.network.spiking), made.network.max_delay) == (2, steps)


def test_a_delay_of_currents_is_one_of_the_spikes_behind_them() -> None:
    model = nn.Sequential(
        nn.Linear(10, 12),
        neuron.LIFNode(tau=2.0, decay_input=False),
        nn.Linear(12, 8, bias=False),
        layer.Delay(5),
        neuron.LIFNode(tau=2.0, decay_input=False),
    )
    made = imported(model)
    same_spikes(made)
    assert [p.size for p in made.network.populations] == [12, 8, 8]


class Repeats(nn.Module):
    """Repeats its input over time by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = layer.Linear(4, 12, step_mode="m")
        self.fires = neuron.IFNode(step_mode="m")

    def forward(self, x: Any) -> Any:
        return self.fires(self.fc(x.unsqueeze(0).repeat(4, 1, 1))).mean(0)


def test_a_still_input_that_is_repeated_along_the_steps() -> None:
    made = delrec_compile.from_spikingjelly(on_grid(Repeats()), max_input=2)
    (remark,) = made.remarks
    assert "makes 4 steps of one input by itself" in remark
    same_spikes(made)


class Encoder(nn.Module):
    """As published for still pictures: weights that run once, then a loop over their values."""

    def __init__(self) -> None:
        super().__init__()
        self.static = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1))
        self.rest = nn.Sequential(neuron.IFNode(), nn.Flatten(), nn.Linear(75, 6), neuron.IFNode())

    def forward(self, x: Any) -> Any:
        x = self.static(x)
        out = self.rest(x)
        for _ in range(1, 8):
            out += self.rest(x)
        return out / 8


def test_weights_before_the_loop_run_at_each_step() -> None:
    made = delrec_compile.from_spikingjelly(on_grid(Encoder()), input_shape=(1, 5, 5), max_input=2)
    same_spikes(made)


class SewBlock(nn.Module):
    """A residual block whose spikes are added to what it takes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.fires1 = layer.Conv2d(channels, channels, 3, padding=1), neuron.IFNode()
        self.conv2, self.fires2 = layer.Conv2d(channels, channels, 3, padding=1), neuron.IFNode()

    def forward(self, x: Any) -> Any:
        return self.fires2(self.conv2(self.fires1(self.conv1(x)))) + x


class SewNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.fires = layer.Conv2d(1, 3, 3, padding=1), neuron.IFNode()
        self.a, self.b = SewBlock(3), SewBlock(3)
        self.flat, self.fc, self.out = layer.Flatten(), layer.Linear(75, 6), neuron.IFNode()

    def forward(self, x: Any) -> Any:
        return self.out(self.fc(self.flat(self.b(self.a(self.fires(self.stem(x)))))))


@pytest.mark.parametrize("mode", ["s", "m"])
def test_spikes_that_are_added_to_those_before(mode: str) -> None:
    model = on_grid(SewNet())
    functional.set_step_mode(model, mode)
    made = delrec_compile.from_spikingjelly(model, input_shape=(1, 5, 5), max_input=1)
    same_spikes(made)
    populations = {p.name: p for p in made.network.populations}
    assert [p.source for p in populations["b_fires1"].projections] == ["fires", "a_fires2"]
    one, two, three = populations["out"].projections  # the same weights, stored once
    assert one.synapses is two.synapses is three.synapses


class Loop(nn.Module):
    """As users write it: views, a loop over time, and a mean."""

    def __init__(self, between: Any = None) -> None:
        super().__init__()
        self.fc, self.lif = nn.Linear(10, 8), neuron.IFNode()
        self.out, self.last = nn.Linear(8, 4), neuron.IFNode()
        self.between = between or (lambda x: x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spikes = self.lif(self.fc(x.view(len(x), -1)))
        return self.last(self.out(self.between(spikes)))


def test_modules_of_ones_own() -> None:
    same_spikes(imported(Loop()), least=50)


REFUSED = {
    "between": (Loop(lambda s: s * s), "out: its input is not the output of 'lif'"),
    "in_place": (Loop(lambda s: s.add_(1)), "out: its input is not the output of 'lif'"),
    "relu": (
        nn.Sequential(nn.Linear(4, 4), nn.ReLU(), neuron.IFNode()),
        "1: networks have no ReLU",
    ),
    "qif": (nn.Sequential(nn.Linear(4, 4), neuron.QIFNode()), "1: networks have no QIFNode"),
    "dilated": (
        nn.Sequential(nn.Linear(4, 4), neuron.IFNode(), nn.Linear(4, 2), nn.Softmax(1)),
        "3: networks have no Softmax",
    ),
    "no_neurons": (nn.Sequential(nn.Linear(4, 4)), "no spiking layer"),
    "current": (
        nn.Sequential(nn.Linear(4, 4), layer.Delay(2), neuron.IFNode()),
        "1: delays weights with a bias",
    ),
    "bias": (
        nn.Sequential(
            nn.Linear(4, 4), neuron.IFNode(), nn.Linear(4, 4), layer.Delay(2), neuron.IFNode()
        ),
        "3: delays weights with a bias",
    ),
    "filter": (
        nn.Sequential(nn.Linear(4, 4), neuron.IFNode(), layer.SynapseFilter()),
        "2: networks have no SynapseFilter, whose decay pauses at a spike",
    ),
    "twice": (nn.Sequential(*[nn.Linear(4, 4), neuron.IFNode()] * 2), "run more than once|0:"),
    "product": (
        nn.Sequential(
            nn.Linear(4, 4), layer.ElementWiseRecurrentContainer(neuron.IFNode(), torch.mul)
        ),
        "1: its function is not the sum",
    ),
    "clamped": (
        nn.Sequential(
            nn.Linear(4, 4),
            layer.ElementWiseRecurrentContainer(neuron.IFNode(), lambda x, y: (x + y).clamp(max=2)),
        ),
        "1: its function is not the sum",
    ),
    "weights_inside": (
        nn.Sequential(
            nn.Linear(4, 4),
            layer.ElementWiseRecurrentContainer(
                nn.Sequential(nn.Linear(4, 4), neuron.IFNode()), torch.add
            ),
        ),
        "1: Linear inside an element-wise recurrent container",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refusals(what: str) -> None:
    model, message = REFUSED[what]
    with refusal(UnsupportedError, message, 4):
        delrec_compile.from_spikingjelly(model)


def test_a_mean_over_time_is_remarked() -> None:
    class Mean(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x).mean(0)

    parts = (layer.Linear(10, 8), neuron.IFNode(), layer.Linear(8, 4))
    for kind, told in ((nn.Sequential, 0), (Mean, 1)):
        model = kind(*parts)
        functional.set_step_mode(model, "m")
        remarks = delrec_compile.from_spikingjelly(model).remarks
        assert sum("one output for all steps" in remark for remark in remarks) == told


def test_a_model_for_one_sequence_alone() -> None:
    model = nn.Sequential(nn.Linear(10, 8), neuron.IFNode(), nn.Flatten(0), nn.Linear(8, 4))
    with refusal(UnsupportedError, "not .* steps of a batch", 4):
        delrec_compile.from_spikingjelly(model).check(3)


def test_an_input_of_unknown_shape() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), neuron.IFNode())
    with refusal(UsageError, "input_shape", 2):
        delrec_compile.from_spikingjelly(model)
    with refusal(UsageError, "does not run on one step", 2):
        delrec_compile.from_spikingjelly(model, input_shape=(7,))


def test_the_model_stays_as_it_was() -> None:
    model = on_grid(Loop())
    model.train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    delrec_compile.from_spikingjelly(model).check(5)
    assert model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_a_check_can_fail() -> None:
    model = nn.Sequential(nn.Linear(10, 24), neuron.LIFNode(tau=2.0, decay_input=False))
    made = imported(model)
    model[0].weight.data[3] += 0.25
    found = made.check(100)
    assert found.differing > 0
    assert found.first is not None
    assert found.first.neuron == 3


class FashionCsnn(nn.Module):
    """As in the tutorial: two blocks with pools and two of weights, T steps of one picture, a mean."""

    def __init__(self, steps: int, channels: int, size: int) -> None:
        super().__init__()
        self.steps, places = steps, channels * (size // 4) ** 2

        def block(inputs: int) -> list[nn.Module]:
            conv = layer.Conv2d(inputs, channels, 3, padding=1, bias=False)
            return [conv, norm(channels), neuron.IFNode(), layer.MaxPool2d(2, 2)]

        self.conv_fc = nn.Sequential(
            *(*block(1), *block(channels), layer.Flatten()),
            *(layer.Linear(places, 32, bias=False), neuron.IFNode()),
            *(layer.Linear(32, 10, bias=False), neuron.IFNode()),
        )
        functional.set_step_mode(self, "m")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv_fc(x.unsqueeze(0).repeat(self.steps, 1, 1, 1, 1)).mean(0)


def norm(channels: int) -> nn.Module:
    made: nn.Module = layer.BatchNorm2d(channels)
    torch.nn.init.constant_(made.weight, 2.0)
    return made


def dvs_gesture() -> nn.Module:
    """SpikingJelly's own class: five blocks with pools, 128 x 128 places, votes of ten outputs."""
    own = package("spikingjelly.activation_based.model.parametric_lif_net").DVSGestureNet
    made: nn.Module = own(channels=4, spiking_neuron=neuron.LIFNode, tau=2.0)
    for m in made.modules():
        if isinstance(m, nn.BatchNorm2d):
            torch.nn.init.constant_(m.weight, 4.0)
        elif isinstance(m, nn.Linear):
            m.weight.data.mul_(8)
    functional.set_step_mode(made, "m")
    return made


@pytest.mark.parametrize(
    ("model", "shape", "steps"),
    [
        (lambda: FashionCsnn(4, 6, 12), (1, 12, 12), 4),
        (dvs_gesture, (2, 128, 128), 3),
    ],
)
def test_the_published_convolutional_networks(model: Any, shape: Any, steps: int) -> None:
    torch.manual_seed(0)
    made = delrec_compile.from_spikingjelly(model(), input_shape=shape, max_input=1)
    check = made.check(steps, batch=1, frozen=False, density=0.2)
    assert (check.differing, check.firing.silent) == (0, False)
