"""Verdicts of parity: what explains a difference, and what a check says as JSON."""

from __future__ import annotations

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
