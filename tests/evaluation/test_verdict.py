"""Verdicts of parity: what explains a difference, and what a check says as JSON."""

from __future__ import annotations

import cases
import numpy as np
import pytest

from delrec_compile.evaluation.verdict import ParityCounter
from delrec_compile.network import checkpoint
from delrec_compile.runners.divergence import Divergence
from delrec_compile.runners.runner import Trace


def test_differences_within_float_error_are_explained_only_off_the_grid():
    """The rule of parity: margin explains a first difference, unless sums are exact."""
    network = checkpoint.load("conv_delay_256")
    spikes = np.zeros((2, 1, 256), np.uint8)
    other = spikes.copy()
    other[1, 0, 5] = 1

    y = np.zeros((2, 1, 20), np.float32)
    membranes = [np.full((2, 1, 256), 1.0 - 1e-6), np.zeros((2, 1, 256))]
    for strict, passed in ((False, True), (True, False)):
        tally = ParityCounter(network, strict)
        tally.add(0, Trace(y, (spikes, spikes)), Trace(y, (other, spikes)), membranes, np.zeros(1))
        verdict = tally.verdict("x", 1, 2)
        assert verdict.spikes_differing == 1
        assert verdict.first == Divergence(0, 1, 0, 5, pytest.approx(1e-6, rel=0.1))
        assert verdict.agrees is passed
    membranes[0][:] = 0.5
    tally = ParityCounter(network, False)
    tally.add(0, Trace(y, (spikes, spikes)), Trace(y, (other, spikes)), membranes, np.zeros(1))
    assert not tally.verdict("x", 1, 2).agrees


def traces(r, batch, network, steps=5):
    """Random spikes of the network's layers, and outputs whose last column is the largest."""
    spikes = tuple(
        (r.random((steps, batch, p.size)) < 0.3).astype(np.uint8) for p in network.spiking
    )
    y = np.zeros((steps, batch, network.outputs), np.float32)
    y[..., -1] = 3
    return Trace(y, spikes)


def test_counts_of_two_batches_are_those_of_the_whole():
    r = np.random.default_rng(0)
    network = cases.network("three_layers")
    tally = ParityCounter(network, True, "integer")
    first, second = traces(r, 2, network), traces(r, 3, network)
    tally.add(0, first, first, [], np.full(2, network.outputs - 1))
    changed = [s.copy() for s in second.spikes]
    changed[1][2, 1, 4] ^= 1
    changed[2][1, 1, 0] ^= 1
    changed[2][3, 2, 5:7] ^= 1
    y = second.y.copy()
    y[0, 0, 0] = -0.25
    y[:, 2, 0] = 100  # another class
    tally.add(2, second, Trace(y, tuple(changed)), [], np.array([0, 0, 0]))
    told = tally.verdict("a chip", 5, 5)
    whole = [
        np.concatenate([a, b], axis=1) for a, b in zip(first.spikes, second.spikes, strict=True)
    ]
    assert told.spikes_compared == sum(s.size for s in whole)
    assert (told.spikes_differing, told.classes_differing) == (4, 1)
    assert told.first == Divergence(3, 1, 2, 0)
    assert (told.explained, told.agrees, told.passed) == (0, False, False)
    assert told.max_abs_error == 100
    assert told.accuracy == 3 / 5  # both of the first batch, and the one that has class 0
    assert told.firing.spikes == tuple(int(s.sum()) for s in whole)
    assert told.firing.rates == tuple(pytest.approx(s.mean()) for s in whole)
    assert (told.target, told.reference) == ("a chip", "integer")
    tally.add(5, first, first, [], None)
    assert tally.verdict("a chip", 7, 5).accuracy is None


@pytest.mark.parametrize(
    ("strict", "error", "class_differs", "agrees"),
    [
        (True, 0.0, False, True),
        (True, 1e-6, False, False),
        (False, 1e-6, False, True),
        (False, 0.5, False, False),
        (True, 0.0, True, False),
    ],
)
def test_outputs_alone_are_judged_by_the_grid(strict, error, class_differs, agrees):
    network = cases.network("three_layers")
    want = traces(np.random.default_rng(1), 1, network)
    tally = ParityCounter(network, strict)
    y = want.y[..., ::-1] if class_differs else want.y + np.float32(error)
    tally.add(0, want, Trace(y, want.spikes), [], None)
    assert tally.verdict("x", 1, 5).agrees is agrees


def test_one_sequence_without_an_explanation_is_a_difference():
    """The other one is near its threshold; then outputs may differ by any amount."""
    network = cases.network("three_layers")
    want = traces(np.random.default_rng(2), 2, network)
    threshold = float(network.layers[0].lif.threshold)
    for far, explained in ((0.5, 1), (1e-7, 2)):
        membranes = [np.full(s.shape, threshold) for s in want.spikes]
        membranes[0][:, 1] += far
        changed = [s.copy() for s in want.spikes]
        changed[0][2, :, 3] ^= 1
        tally = ParityCounter(network, False)
        tally.add(0, want, Trace(want.y + 1, tuple(changed)), membranes, None)
        told = tally.verdict("x", 2, 5)
        assert (told.explained, told.agrees) == (explained, explained == 2)
        assert (told.first.sequence, told.first.margin) == (0, pytest.approx(0, abs=1e-6))


@pytest.mark.parametrize("membranes", [False, True])
def test_a_sequence_is_judged_by_itself_and_unexplained_without_membranes(membranes):
    """Two sequences differ, the second earlier: each is near its threshold only at its own step."""
    network = cases.network("three_layers")
    trace = traces(np.random.default_rng(1), 2, network)
    changed = [s.copy() for s in trace.spikes]
    changed[0][4, 0, 2] ^= 1
    changed[0][1, 1, 3] ^= 1
    known = []
    if membranes:
        known = [np.full(s.shape, -5.0, np.float32) for s in trace.spikes]
        threshold = np.broadcast_to(network.layers[0].neuron.threshold, known[0].shape[2:])
        known[0][4, 0, 2], known[0][1, 1, 3] = threshold[2], threshold[3]
    tally = ParityCounter(network, strict=False)
    tally.add(0, trace, Trace(trace.y, tuple(changed)), known, None)
    told = tally.verdict("a chip", 2, 5)
    assert (told.first.sequence, told.first.step, told.first.layer) == (0, 4, 0)
    assert (told.explained, told.agrees) == ((2, True) if membranes else (0, False))
