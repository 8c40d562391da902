"""The frozen network computes what the trained net does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from fixtures.chaos import INPUTS, chaotic
from fixtures.training import small, toy_sets
from torch import Tensor

from delrec_compile.network import grid
from delrec_compile.network.classify import classify, layer_spikes, outputs
from delrec_compile.network.grid_choice import wide_layers
from delrec_compile.network.model import Network
from delrec_compile.training import freeze
from delrec_compile.training.freeze import fold
from delrec_compile.training.model import SpikingNet, class_scores

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
    "channel_conv": {"recurrence": "channel_conv", "channels": 3},
    "dilated channels": {"recurrence": "channel_conv", "channels": 4, "dilation": 2},
    "forward heads": {"forward": "dense_delay", "forward_heads": 2, "readout": "count"},
}
# learned, then frozen, both with the same weights on the grid: no bit may differ
EXACT: dict[str, dict[str, Any]] = {
    "lif, heads": {"tau": 3.0, "heads": 2, "gain": "leak", "threshold": 0.4},
    "lif of learned betas": {"tau": 3.0, "betas": "learned", "reset": "soft_later"},
    "lif, synaptic": {"recurrence": "synaptic", "tau": 4.0, "reset": "soft"},
    "adlif, delays of every kind": {
        "neuron": "adlif",
        "constants": "learned",
        "gain": "leak",
        "tau": 5.0,
        "threshold": 0.4,
        "forward": "dense_delay",
        "forward_delay": 3,
        "forward_heads": 2,
    },
    "adlif euler": {"neuron": "adlif", "a": 0.3, "b": 0.4, "order": "euler", "reset": "soft"},
    "adlif unreset, channels": {
        "neuron": "adlif",
        "b": 0.4,
        "order": "unreset",
        "recurrence": "channel_conv",
        "channels": 4,
    },
    "lif, circular channels": {
        "recurrence": "channel_conv",
        "channels": 3,
        "edges": "circular",
        "dilation": 3,
        "init": "orthogonal",
    },
    "alif": {"neuron": "alif", "constants": "learned", "recurrence": "dense", "tau": 2.0},
    "alif adapted": {"neuron": "alif", "reset": "adapted", "tau": 2.0, "fires": "above"},
    "cuba_lif, synaptic delays": {
        "neuron": "cuba_lif",
        "constants": "learned",
        "tau": 3.0,
        "forward": "synaptic_delay",
        "forward_delay": 3,
        "recurrence": "none",
    },
    "cuba_lif soft_later, frontend": {
        "neuron": "cuba_lif",
        "reset": "soft_later",
        "tau": 3.0,
        "frontend": "3x3/2,2x3",
        "forward": "channel_conv_delay",
        "forward_delay": 3,
    },
}


@pytest.mark.parametrize("options", EXACT.values(), ids=EXACT)
def test_the_trained_form_has_the_bits_of_the_frozen_one(options: dict[str, Any]) -> None:
    torch.manual_seed(1)
    net = SpikingNet(12, 3, small(**options))
    counts = toy_sets().valid.counts
    x = torch.from_numpy(counts).float().transpose(0, 1)
    for _ in range(3):
        net(x)
    net.freeze_delays()
    net.eval()
    network = grid.snap(fold(net))
    assert grid.exact(network)
    take_over(net, network)
    seen: list[Tensor] = []
    with torch.no_grad():
        net(x, seen)
    for ours, frozen in zip(seen, layer_spikes(network, counts), strict=True):
        assert np.array_equal(ours.numpy(), frozen)
        assert 0.003 < frozen.mean() < 0.9


def take_over(net: SpikingNet, network: Network) -> None:
    """Puts the weights of the frozen network into the net; BatchNorm is part of them already."""
    for layer, p in zip(net.layers, network.spiking, strict=True):
        feed, *own = (each.synapses for each in p.projections)
        weight = torch.from_numpy(next(iter(feed.weights.values())))
        if weight.shape[0] != len(p.bias):  # heads
            weight = weight.transpose(0, 1)
        with torch.no_grad():
            layer.linear.weight.copy_(weight.reshape(layer.linear.weight.shape))
            layer.linear.bias.copy_(torch.from_numpy(p.bias))
            if own:
                recurrent = torch.from_numpy(next(iter(own[0].weights.values())))
                layer.recurrent.weight.copy_(recurrent.reshape(layer.recurrent.weight.shape))
        layer.norm = torch.nn.Identity()


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


@pytest.mark.parametrize(("name", "wide"), [("int16", ()), ("fine", (1,)), ("auto", (1,))])
def test_weights_go_onto_the_grid_of_the_config(
    name: str, wide: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chaotic recurrence loses spikes with 16 bits: `auto` sees it on the samples."""
    monkeypatch.setattr(freeze, "fold", lambda net, **options: chaotic())
    net = SpikingNet(12, 3, small(grid=name))
    counts = (np.random.default_rng(1).random((4, 60, INPUTS)) < 0.3).astype(np.uint8)
    assert wide_layers(freeze.frozen(net, counts)) == wide
    assert wide_layers(freeze.frozen(net)) == (wide if name == "fine" else ())
