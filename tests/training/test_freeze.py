"""The frozen network computes what the trained net does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from fixtures.chaos import INPUTS, chaotic
from fixtures.training import small, toy_sets

from delrec_compile.network import grid
from delrec_compile.network.classify import classify, outputs
from delrec_compile.network.grid_choice import wide_layers
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
