"""The inputs of a kernel: which are listed, and how many share an event."""

from __future__ import annotations

from pathlib import Path

import cases
import numpy as np
import pytest
from fixtures.composers import composer
from fixtures.staged import artifact_here

from benchmarks.networks import Size, random_network
from delrec_compile.network.grid import snap
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.model import DenseDelay, Lif, Network, Population, Projection
from delrec_compile.ops.feed import Dense
from delrec_compile.ops.leaky_readout import LeakyReadout
from delrec_compile.ops.readout import no_weight
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.session import Session
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


@pytest.mark.parametrize("inputs", [3, 17, 40, 300])
def test_packed_inputs_are_those_of_each_word(inputs: int, tmp_path: Path) -> None:
    """Fewer than a block, full vectors, parts of them, and many, in a loop."""
    network = random_network(Size(neurons=32, inputs=inputs, outputs=4, rate=0.3))
    r = np.random.default_rng(3)
    x = (r.random((9, 2, inputs)) < 0.3) * r.integers(1, 9, (9, 2, inputs)).astype(np.float32)
    for numeric, source in (("int8", quantise(network, "int8")), ("float32", network)):
        options = {"numeric": numeric, "schedule": Schedule(4, 4, "movemask", "pairs")}
        artifact = artifact_here(network, "x86_64", tmp_path / numeric, **options)  # type: ignore[arg-type]
        have = Session(artifact).outputs_of(x)
        np.testing.assert_array_equal(have, ReferenceRunner(source).trace(x).y)
