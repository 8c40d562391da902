"""PyTorch as a runner: the reference of parity."""

from __future__ import annotations

import cases
import numpy as np

from delrec_compile.runners.torch_runner import TorchRunner


def test_membranes_tell_where_spikes_are() -> None:
    network, x = cases.network("mixed"), cases.counts(cases.CASES["mixed"], steps=12)
    runner = TorchRunner(network)
    trace = runner.trace(x)
    assert trace.y.shape == (12, x.shape[1], network.outputs)
    assert len(runner.membranes) == len(trace.spikes) == len(network.layers)
    for layer, spikes, membranes in zip(
        network.layers, trace.spikes, runner.membranes, strict=True
    ):
        assert membranes.shape == spikes.shape == (12, x.shape[1], layer.size)
        np.testing.assert_array_equal(membranes >= layer.lif.threshold, spikes.astype(bool))
    again = runner.trace(x)
    np.testing.assert_array_equal(again.y, trace.y)


def test_spikes_alone_are_the_same_without_membranes() -> None:
    network, x = cases.network("mixed"), cases.counts(cases.CASES["mixed"], steps=6)
    whole, lean = TorchRunner(network), TorchRunner(network, spikes_only=True)
    want, got = whole.trace(x), lean.trace(x)
    np.testing.assert_array_equal(got.y, want.y)
    for own, other in zip(got.spikes, want.spikes, strict=True):
        np.testing.assert_array_equal(own, other)
    assert lean.membranes == []
