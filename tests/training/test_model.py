"""The trainable network: readouts, layers that recur, learned leaks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fixtures.training import run, small

from delrec_compile.ops.readout import DECISIONS, decide
from delrec_compile.training.model import SpikingNet, class_scores


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
    after = run(layers=3, recurrent_layers="after_first")
    assert [i for i, _ in after.network.recurrences()] == [1, 2]


@pytest.mark.parametrize("decision", DECISIONS)
def test_class_scores_decide_as_the_frozen_network_does(decision: str) -> None:
    y = torch.randn(12, 40, 5, generator=torch.Generator().manual_seed(0))
    classes = class_scores(y, decision).argmax(1).numpy()
    assert np.array_equal(classes, decide(decision, y.numpy()))
    assert len(set(classes.tolist())) == 5


def test_dropout_drops_a_neuron_for_all_steps() -> None:
    torch.manual_seed(0)
    net = SpikingNet(12, 3, small(dropout=0.5))
    dropped = (net._drop(torch.ones(20, 8, 24)) == 0).float()
    assert torch.equal(dropped, dropped[:1].expand(20, -1, -1))
    assert 0.3 < dropped.mean() < 0.7
    assert net.eval()._drop(torch.ones(20, 8, 24)).all()
