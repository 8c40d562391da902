"""Training: the fast backward pass, the loop, and the way to the frozen network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from fixtures.training import small, toy_sets
from torch import Tensor
from torch.nn import functional

from delrec_compile.data.events import load_samples
from delrec_compile.errors import UsageError
from delrec_compile.network import checkpoint, grid
from delrec_compile.network.classify import accuracy, classify, outputs
from delrec_compile.network.model import (
    Conv2dDelay,
    ConvDelay,
    DenseDelay,
    SynapticDelay,
    TapConvDelay,
)
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.delay_lines import Mix, spread
from delrec_compile.training.freeze import fold
from delrec_compile.training.loop import TrainResult, train
from delrec_compile.training.mixes import ConvMix, KernelMix, MatrixMix, PairMix
from delrec_compile.training.model import SpikingNet, class_scores
from delrec_compile.training.neuron import Neuron, delayed_lif, ring_buffer_lif
from delrec_compile.training.optimisers import Optimisers

STEPS, N, BATCH = 30, 14, 4


def drive(seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(STEPS, N, BATCH, generator=generator, dtype=torch.double) * 0.8


OTHERS: dict[str, tuple[tuple[int, ...], int, Mix]] = {  # shape of the weight, heads, mix
    "synaptic": ((N, N), N, PairMix()),
    "tap_conv": ((2, 3, 1, 3), 3, ConvMix((2, 1, 7), apart=True)),
    "tap_conv of one map": ((1, 3, 1, 5), 3, ConvMix((1, 1, 14), apart=True)),
    "conv2d": ((2, 4, 3, 3), 2, ConvMix((2, 7, 1), apart=False)),
    "conv2d of wide kernels": ((1, 2, 5, 5), 2, ConvMix((1, 2, 7), apart=False)),
}


def recurrent_weight(kind: str) -> tuple[Tensor, Mix]:
    """kind: `dense`, `conv<K>x<heads>`, or one of OTHERS."""
    generator = torch.Generator().manual_seed(1)
    if kind in OTHERS:
        shape, _, mix = OTHERS[kind]
        other = torch.randn(*shape, generator=generator, dtype=torch.double) * 0.4
        return other.requires_grad_(), mix
    shape = (N, N) if kind == "dense" else tuple(int(k) for k in kind[4:].split("x")[::-1])
    weight = torch.randn(*shape, generator=generator, dtype=torch.double) * 0.5
    return weight.requires_grad_(), MatrixMix() if kind == "dense" else KernelMix()


def delays(kind: str, heads: int) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    real = torch.rand(heads, N, generator=generator, dtype=torch.double) * 9
    return (real.round() if kind == "whole" else real).requires_grad_()


def gradients(spikes: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    cost = (spikes * torch.randn(spikes.shape, generator=generator, dtype=torch.double)).sum()
    return list(torch.autograd.grad(cost, inputs))


@pytest.mark.parametrize("sigma", [0.0, 0.4, 3.0])
@pytest.mark.parametrize("delay_kind", ["whole", "fractional"])
@pytest.mark.parametrize(
    "kind",
    ["dense", "conv1x1", "conv3x1", "conv5x1", "conv3x2", "conv17x1", "conv27x2", *OTHERS],
)
def test_fast_spikes_and_gradients_equal_the_ring_buffer(
    kind: str, delay_kind: str, sigma: float
) -> None:
    x, (weight, mix) = drive().requires_grad_(), recurrent_weight(kind)
    heads = OTHERS[kind][1] if kind in OTHERS else 1 if kind == "dense" else len(weight)
    delay = delays(delay_kind, heads)
    inputs = [x, weight, delay]
    each = delay[:, :1].expand(-1, N) if isinstance(mix, ConvMix) else delay
    fast, ring = (
        lif(x, Neuron(0.3), weight, spread(each, sigma).transpose(0, 1), mix)
        for lif in (delayed_lif, ring_buffer_lif)
    )
    assert torch.equal(fast, ring)
    assert 0.05 < fast.mean() < 0.9
    for ours, theirs in zip(gradients(fast, inputs), gradients(ring, inputs), strict=True):
        assert (ours - theirs).abs().max() <= 1e-12 * theirs.abs().max()


@pytest.mark.parametrize("taps", [3, 15, 17, 27])
def test_kernels_of_any_length_are_convolutions(taps: int) -> None:
    generator = torch.Generator().manual_seed(taps)
    weight, g, back = (
        torch.randn(*shape, generator=generator, dtype=torch.double)
        for shape in ((2, taps), (N, 2, BATCH), (N, BATCH))
    )
    mix = KernelMix()
    g.requires_grad_()
    expected = functional.conv1d(g.permute(2, 1, 0), weight[None], padding=taps // 2)[:, 0].T
    assert torch.allclose(mix.forward(weight, g), expected, rtol=1e-12, atol=1e-12)
    (transposed,) = torch.autograd.grad(expected, g, back)
    assert torch.allclose(mix.back(weight, back), transposed, rtol=1e-12, atol=1e-12)


def test_without_recurrence_both_are_a_plain_lif() -> None:
    x = drive().requires_grad_()
    fast, ring = delayed_lif(x, Neuron(0.3)), ring_buffer_lif(x, Neuron(0.3))
    assert torch.equal(fast, ring)
    assert fast.any()
    (ours,), (theirs,) = gradients(fast, [x]), gradients(ring, [x])
    assert (ours - theirs).abs().max() <= 1e-12 * theirs.abs().max()


NEURONS: dict[str, dict[str, Any]] = {
    "above": {"fires": "above"},
    "reset and threshold": {"v_reset": -0.3, "threshold": 0.7},
    "gain": {"gain": 0.6, "threshold": 0.5},
    "backflow": {"backflow": 0.25},
    "soft": {"reset": "soft", "gain": 0.6, "threshold": 0.5},
    "soft later": {"reset": "soft_later", "fires": "above", "threshold": 0.8},
}


@pytest.mark.parametrize("options", NEURONS.values(), ids=NEURONS)
@pytest.mark.parametrize("kind", ["dense", "conv3x2"])
def test_gradients_of_every_neuron_equal_the_ring_buffer(
    kind: str, options: dict[str, Any]
) -> None:
    """On betas that are learned too."""
    x, (weight, mix) = drive().requires_grad_(), recurrent_weight(kind)
    delay = delays("fractional", 1 if kind == "dense" else len(weight))
    beta = torch.linspace(0, 1, N, dtype=torch.double)[:, None].requires_grad_()
    fast, ring = (
        lif(x, Neuron(beta, **options), weight, spread(delay, 1.0).transpose(0, 1), mix)
        for lif in (delayed_lif, ring_buffer_lif)
    )
    assert torch.equal(fast, ring)
    assert 0.05 < fast.mean() < 0.9
    inputs = [x, weight, delay, beta]
    for ours, theirs in zip(gradients(fast, inputs), gradients(ring, inputs), strict=True):
        assert (ours - theirs).abs().max() <= 1e-12 * theirs.abs().max()


def test_a_whole_delay_without_spread_arrives_once() -> None:
    mask = spread(torch.tensor([0.0, 2.0, 5.0]), 0.0)
    assert mask.argmax(1).tolist() == [1, 3, 6]
    assert mask.sum(1).tolist() == [1, 1, 1]
    fractional = spread(torch.tensor([2.25]), 0.0)[0]
    assert fractional.nonzero().flatten().tolist() == [3, 4]
    assert fractional[3:5].tolist() == [0.75, 0.25]
    assert spread(torch.tensor([4.0, 31.0]), 10.0)[1, 32] == 1 / 11


def run(**options: Any) -> TrainResult:
    return train(toy_sets(), small(**options))


@pytest.mark.parametrize("recurrence", ["conv", "dense", "none"])
def test_training_lowers_the_loss_and_ends_frozen(recurrence: str) -> None:
    told: list[tuple[int, int]] = []
    result = train(
        toy_sets(),
        small(recurrence=recurrence, epochs=4, lr=1e-2, frozen_tail=0.5),
        lambda epoch, epochs: told.append((epoch.number, epochs)),
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    losses = [epoch.loss for epoch in result.history]
    assert losses[-1] < 0.8 * losses[0]
    network = result.network
    assert grid.exact(network)
    assert network.labels == ("a", "b", "c")
    kinds: dict[str, type] = {"conv": ConvDelay, "dense": DenseDelay, "none": type(None)}
    assert isinstance(network.layers[1].recurrence, kinds[recurrence])
    parameters = {"conv": 3 + 24, "dense": 24 * 24 + 24, "none": 0}
    assert result.recurrent_parameters == parameters[recurrence]
    assert network.max_delay <= 6
    test = toy_sets().test
    assert result.accuracy["test"] == accuracy(network, test.counts, test.labels)
    assert result.accuracy["test"] > 0.5
    if recurrence != "none":
        assert [epoch.sigma > 0 for epoch in result.history] == [True, True, False, False]


MAPS: dict[str, tuple[dict[str, Any], type, int]] = {
    "synaptic": ({}, SynapticDelay, 2 * 24 * 24),
    "tap_conv": ({"channels": 3, "taps": 3}, TapConvDelay, 3 * 3 * 3 + 3),
    "conv2d": ({"channels": 2, "height": 3, "taps": 2}, Conv2dDelay, 2 * 2 * 2 * 9),
}


@pytest.mark.parametrize("recurrence", MAPS)
def test_every_recurrence_trains(recurrence: str) -> None:
    options, kind, parameters = MAPS[recurrence]
    result = run(recurrence=recurrence, lr=1e-2, epochs=3, **options)
    losses = [epoch.loss for epoch in result.history]
    assert losses[-1] < 0.9 * losses[0]
    assert isinstance(result.network.layers[1].recurrence, kind)
    assert result.recurrent_parameters == parameters
    assert result.network.name == f"{recurrence}_delay_24"
    assert grid.exact(result.network)
    assert result.network.max_delay <= 6


def test_a_frontend_trains() -> None:
    result = run(frontend="4x5/2,3x3", lr=1e-2, epochs=3)
    losses = [epoch.loss for epoch in result.history]
    assert losses[-1] < 0.9 * losses[0]
    first, second, *_ = result.network.layers
    assert [layer.maps.out for layer in (first, second) if layer.maps] == [(4, 1, 6), (3, 1, 6)]
    assert grid.exact(result.network)
    assert "--set frontend=4x5/2,3x3" in result.network.notes["command"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frontend": "8"}, "frontend is '8'; give <channels>x<kernel>"),
        ({"frontend": "8x0"}, "frontend is '8x0': .*size"),
        ({"frontend": "8x3", "frontend_height": 5}, "frontend_height is 5; the data's 12 channels"),
    ],
)
def test_a_frontend_that_does_not_fit_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(**options)


def test_tap_delays_learn_and_can_stay_real() -> None:
    start = torch.linspace(0, 5, 3).tolist()
    whole = run(recurrence="tap_conv", taps=3, delay_lr=0.5).network.layers[1].recurrence
    real = run(recurrence="tap_conv", taps=3, delay_lr=0.5, whole_delays=0)
    recurrence = real.network.layers[1].recurrence
    assert isinstance(whole, TapConvDelay)
    assert isinstance(recurrence, TapConvDelay)
    assert whole.delay.tolist() != start
    assert len(recurrence.delay) > len(whole.delay)


def test_heads_train_each_with_its_own_kernel_and_delays() -> None:
    result = run(heads=2)
    assert result.history[1].loss < result.history[0].loss
    assert result.recurrent_parameters == 2 * (3 + 24)
    assert result.network.name == "conv_delay_24_2_heads"
    recurrence = result.network.layers[1].recurrence
    assert isinstance(recurrence, ConvDelay)
    assert (recurrence.kernel.shape, recurrence.delay.shape) == ((2, 3), (2, 24))
    assert not np.array_equal(*recurrence.delay)


@pytest.mark.parametrize("recurrence", ["conv", "dense"])
def test_recurrence_without_delays_trains_without_spread(recurrence: str) -> None:
    result = run(recurrence=recurrence, max_delay=0)
    assert [epoch.sigma for epoch in result.history] == [0, 0]
    assert result.network.name == f"{recurrence}_24"
    (found,) = [r for _, r in result.network.recurrences()]
    assert (found.name, found.depth) == (recurrence, 1)
    assert result.recurrent_parameters == {"conv": 3, "dense": 24 * 24}[recurrence]


def test_betas_are_learned_for_each_neuron() -> None:
    for layer in run(betas="learned", tau=2.0, lr=1e-2).network.layers:
        assert layer.lif.beta.shape == (24,)
        assert layer.lif.beta.std() > 0
        assert (layer.lif.beta >= 0).all()


@pytest.mark.parametrize("readout", ["linear", "count", "pool"])
def test_every_readout_trains(readout: str) -> None:
    result = run(readout=readout, decision="last", epochs=4, lr=1e-2)
    assert result.history[-1].loss < result.history[0].loss
    made = result.network.readout
    assert made.kind == ("count" if readout == "pool" else readout)
    assert made.decision == "last"
    if readout == "pool":
        groups = (made.weight > 0).sum(axis=1)
        assert groups.tolist() == [8, 8, 8]
        assert not made.bias.any()


def test_every_layer_recurs_where_all_are_asked_for() -> None:
    result = run(layers=3, recurrent_layers="all")
    assert [i for i, _ in result.network.recurrences()] == [0, 1, 2]
    delays = [r.arrays()["delay"] for _, r in result.network.recurrences()]
    assert not np.array_equal(delays[0], delays[1])
    assert [i for i, _ in run(layers=3).network.recurrences()] == [2]


def test_two_epochs_lower_the_loss() -> None:
    first, second = run().history
    assert second.loss < first.loss


def test_a_seed_gives_the_same_network_and_leaves_torch_alone() -> None:
    torch.manual_seed(11)
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    one, same, other = run(seed=5), run(seed=5), run(seed=6)
    assert torch.equal(before, torch.random.get_rng_state())
    assert threads == torch.get_num_threads()
    assert [e.loss for e in one.history] == [e.loss for e in same.history]
    assert np.array_equal(one.network.layers[1].weight, same.network.layers[1].weight)
    assert not np.array_equal(one.network.layers[1].weight, other.network.layers[1].weight)


FROZEN: dict[str, dict[str, Any]] = {
    "conv": {},
    "dense": {"recurrence": "dense"},
    "none": {"recurrence": "none"},
    "heads": {"heads": 3},
    "conv without delays": {"max_delay": 0},
    "dense without delays": {"recurrence": "dense", "max_delay": 0},
    "every layer": {"layers": 3, "recurrent_layers": "all", "heads": 2},
    "one layer": {"layers": 1, "recurrence": "dense"},
    "linear readout": {"readout": "linear", "decision": "mean"},
    "count": {"readout": "count", "decision": "last"},
    "pool": {"readout": "pool", "decision": "last"},
    "max": {"decision": "max", "tau": 2.0},
    "sum": {"decision": "sum"},
    "synaptic": {"recurrence": "synaptic"},
    "tap_conv": {"recurrence": "tap_conv", "channels": 3},
    "fractional": {"recurrence": "tap_conv", "channels": 2, "whole_delays": 0},
    "conv2d": {"recurrence": "conv2d", "channels": 3, "height": 2, "taps": 3},
    "soft": {"tau": 2.0, "reset": "soft", "gain": "leak", "threshold": 0.6},
    "soft later": {"tau": 3.0, "reset": "soft_later", "fires": "above"},
    "learned betas": {"betas": "learned", "tau": 2.0, "v_reset": -0.2},
}


@pytest.mark.parametrize("options", FROZEN.values(), ids=FROZEN)
def test_the_frozen_network_is_the_trained_net(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    net = SpikingNet(12, 3, small(**options))
    counts = toy_sets().valid.counts
    x = torch.from_numpy(counts).float().transpose(0, 1)
    for _ in range(3):
        net(x)  # gives BatchNorm statistics that are not trivial
    net.freeze_delays()
    net.eval()
    with torch.no_grad():
        trained = net(x)
    network = fold(net)
    frozen = outputs(network, counts)
    close = np.abs(frozen - trained.numpy()).max(axis=(0, 2)) < 1e-4
    assert close.mean() > 0.95
    assert (
        classify(network, counts) == class_scores(trained, net.config.decision).argmax(1).numpy()
    ).mean() > 0.95
    snapped = grid.snap(network)
    assert (classify(snapped, counts) == classify(network, counts)).mean() > 0.95


@pytest.mark.parametrize("recurrence", ["conv", "dense"])
def test_all_steps_at_once_equal_the_reference_step_bit_for_bit(recurrence: str) -> None:
    network = run(recurrence=recurrence).network
    counts = toy_sets().test.counts[:8]
    state = network.reset(len(counts))
    for t, y in enumerate(outputs(network, counts)):
        expected, state = network.step(counts[:, t].astype(np.float32), state)
        assert np.array_equal(y, expected)


def test_notes_say_how_to_train_the_network_again() -> None:
    notes = run().network.notes
    assert notes["command"].startswith("delrec-compile train DATA --recurrence conv --hidden 24")
    assert notes["config"]["lr"] == TrainConfig().lr
    assert set(notes["accuracy"]) == {"valid", "test"}
    assert len(notes["train_data_sha256"]) == 64


def test_the_command_of_the_default_network_is_the_documented_one() -> None:
    assert TrainConfig().command() == (
        "delrec-compile train DATA --recurrence conv --hidden 256 --kernel 3 --max-delay 31 "
        "--epochs 160 --seed 0 -o conv_delay_256.safetensors"
    )
    assert "--kernel" not in TrainConfig(recurrence="dense").command()
    assert "--set dropout=0.1" in TrainConfig(dropout=0.1).command()


def test_the_largest_options_train() -> None:
    result = run(seed=2**64 - 1, max_delay=4094, epochs=1)
    assert 0 < result.network.max_delay <= 4094
    run(recurrence="tap_conv", channels=2, taps=30, max_delay=40, whole_delays=0, epochs=1)


@pytest.mark.parametrize("name", checkpoint.BUNDLED)
def test_bundled_networks_have_the_accuracy_that_their_readme_states(name: str) -> None:
    network, folder = checkpoint.load(name), checkpoint.bundled(name).parent
    samples = load_samples(folder / "samples.npz")
    assert samples.counts.shape == (100, 80, 140)
    assert np.bincount(samples.labels).tolist() == [5] * 20
    assert samples.counts.max() <= network.max_input
    assert grid.exact(network)
    readme = (folder / "README.md").read_text()
    (row,) = [line for line in readme.splitlines() if line.startswith(f"| {name} |")]
    measured = [network.notes["accuracy"][name] for name in ("valid", "test")]
    stated = [float(cell.split()[0]) / 100 for cell in row.split("|")[2:5]]
    assert stated[:2] == pytest.approx(measured, abs=6e-4)
    assert accuracy(network, samples.counts, samples.labels) == pytest.approx(stated[2])
    assert network.notes["command"] in readme


def test_bundled_files_are_small() -> None:
    folder = checkpoint.bundled().parent
    assert sum(path.stat().st_size for path in folder.glob("*.*")) < 2_000_000


def test_training_that_diverges_is_reported() -> None:
    with pytest.raises(UsageError, match=r"diverged in epoch 1.*smaller lr.*backflow below 1"):
        run(lr=1e38, clip=1e30)


def test_a_batch_without_a_finite_gradient_moves_no_parameter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, calls = Optimisers.step, []

    def step(self: Optimisers, loss: Tensor) -> bool:
        calls.append(self.net.readout.weight.detach().clone())
        return whole(self, loss * float("inf") if len(calls) == 2 else loss)

    monkeypatch.setattr(Optimisers, "step", step)
    history = run(epochs=2).history
    assert [epoch.skipped for epoch in history] == [1, 0]
    assert not torch.equal(calls[1], calls[0])
    assert torch.equal(calls[2], calls[1])
    assert all(np.isfinite(epoch.loss) for epoch in history)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recurrence": "fourier"}, "'fourier'; allowed: conv, dense, synaptic, "),
        (
            {"taps": 2},
            "taps is 2, which the recurrence 'conv' does not have; allowed with tap_conv",
        ),
        ({"recurrence": "tap_conv", "channels": 5}, "hidden is 256; 5 channels of 1 rows need"),
        ({"hidden": 0}, "hidden is 0"),
        ({"heads": 0}, "heads is 0"),
        ({"layers": 0}, "layers is 0"),
        ({"recurrent_layers": "first"}, "recurrent_layers is 'first'; allowed: last, all"),
        ({"heads": 2, "recurrence": "dense"}, "heads is 2, .* allowed with conv$"),
        ({"kernel": 4}, "odd number of taps"),
        ({"kernel": 5, "hidden": 2}, "odd number of taps"),
        ({"max_delay": -1}, "max_delay"),
        ({"max_delay": 4095}, "max_delay is 4095; allowed: 0 to 4094"),
        ({"recurrence": "conv2d", "taps": 4096}, "taps is 4096; allowed: 1 to 4095"),
        ({"kernel": 7, "recurrence": "dense"}, "kernel is 7, which .* allowed with conv, tap_conv"),
        ({"max_delay": 5, "recurrence": "conv2d"}, "max_delay is 5, which the recurrence 'conv2d'"),
        ({"epochs": 0}, "epochs"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, f"seed is {2**64}; allowed: 0 to {2**64 - 1}$"),
        ({"kernel": 10**30 + 1}, "kernel is 10*1; allowed: 1 to 2147483647"),
        ({"batch": 10**30}, "batch is 10*; allowed: 2 to 2147483647"),
        ({"batch": 1}, "batch"),
        ({"lr": 0.0}, "lr is"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"dropout": 1.0}, "dropout"),
        ({"frozen_tail": 1.0}, "frozen_tail"),
        ({"sigma": -1.0}, "sigma"),
        ({"tau": 0.5}, "tau"),
        ({"readout": "vote"}, "readout is 'vote'; allowed: leaky, linear, count, pool"),
        ({"decision": "first"}, "decision is 'first'; allowed: softmax_sum, mean, sum, last, max"),
        ({"reset": "late"}, "reset is 'late'; allowed: hard, soft, soft_later"),
        ({"fires": "below"}, "fires is 'below'; allowed: at, above"),
        ({"threshold": 0.0}, "threshold is 0.0"),
        ({"v_reset": 1.0}, "v_reset is 1.0; give less than the threshold"),
        ({"gain": "leak", "tau": 1.0}, "gain is 'leak'"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TrainConfig(**options)
