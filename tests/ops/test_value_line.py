"""The ring of delayed inputs: what a step writes arrives when its delay is over."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Compile
from fixtures.traces import same

from delrec_compile.network.grid import snap
from delrec_compile.network.model import (
    Dense,
    DenseDelay,
    Lif,
    LinearReadout,
    Network,
    Population,
    Projection,
    Synapses,
    SynapticDelay,
)
from delrec_compile.ops.arrivals import Axonal
from delrec_compile.ops.value_line import elements
from delrec_compile.runners.torch_runner import TorchRunner

N = 5
DELAY = np.array([0, 3, 1, 7, 2])


@pytest.mark.parametrize(("longest", "rows"), [(0, 2), (1, 4), (2, 4), (3, 8), (6, 8)])
def test_the_ring_has_a_row_more_than_steps_are_read(longest: int, rows: int) -> None:
    """And full words: a C struct of it else has padding, and did not compile."""
    line = Axonal(np.array([[0] * (N - 1) + [longest]]))
    assert elements(line) == (rows * N + 3) // 4 * 4


@pytest.mark.parametrize(
    "synapses",
    [DenseDelay(np.eye(N), DELAY), SynapticDelay(np.eye(N), np.tile(DELAY, (N, 1)))],
    ids=["axonal", "history"],
)
def test_counts_arrive_when_their_delay_is_over(synapses: Synapses, compiled: Compile) -> None:
    """Each output is one input of `delay` steps ago, up to its largest count."""
    quiet = Population("a", Lif(0.5), (Projection("x", Dense(np.eye(N))),))
    readout = LinearReadout.in_graph(np.zeros(N))
    late = Population("out", readout, (Projection("x", synapses),))
    network = snap(Network.of([quiet, late], max_input=255, name=f"late_{synapses.kind}"))
    x = np.random.default_rng(0).integers(0, 256, (30, 1, N)).astype(np.float32)
    session = compiled(network)
    trace = session.trace(x)
    same(trace, TorchRunner(network).trace(x))
    for t in range(30):
        want = [x[t - d, 0, j] if t >= d else 0 for j, d in enumerate(DELAY)]
        np.testing.assert_array_equal(trace.y[t, 0], want)
