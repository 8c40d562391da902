"""The inputs of a kernel: which are listed, and how many share an event."""

from __future__ import annotations

import cases
import numpy as np
import pytest
from fixtures.composers import composer

from delrec_compile.network.grid import snap
from delrec_compile.network.model import DenseDelay, Lif, Network, Population, Projection
from delrec_compile.ops.feed import Dense
from delrec_compile.ops.leaky_readout import LeakyReadout
from delrec_compile.ops.readout import no_weight
from delrec_compile.targets.schedule import Schedule

VNNI = Schedule(16, 4, "compress", rows="pairs")


def test_inputs_that_arrive_late_alone_are_not_listed() -> None:
    late = Projection("x", DenseDelay(np.ones((4, 3)), np.array([1, 2, 3])))
    out = Population(
        "out",
        LeakyReadout(no_weight(2), np.zeros(2), 0.5),
        (Projection("a", Dense(np.ones((2, 4)))),),
    )
    network = Network.of([Population("a", Lif(0.5), (late,)), out])
    made = composer(network, Schedule(8))
    assert (made.inputs, made.lists_inputs) == (3, False)
    assert composer(cases.network("mixed"), Schedule(8)).lists_inputs


@pytest.mark.parametrize("real", [False, True])
def test_pairs_of_inputs_share_an_event_where_rows_are_full_vectors(real: bool) -> None:
    r = np.random.default_rng(0)
    weight, inputs = r.normal(size=(32, 6)) / 4, {"input_bits": 4} if real else {}
    into = Population("a", Lif(0.5), (Projection("x", Dense(weight)),))
    readout = LeakyReadout(no_weight(2), np.zeros(2), 0.5)
    out = Population("out", readout, (Projection("a", Dense(np.ones((2, 32)))),))
    network = snap(Network.of([into, out], max_input=1, **inputs))
    assert composer(network, VNNI).group == 2
    assert composer(network, Schedule(8)).group == 1
