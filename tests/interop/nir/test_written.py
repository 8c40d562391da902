"""Neurons as NIR nodes, read again."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.nir_graphs import DT, nir
from helpers import refusal

from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.nir.neurons import NeuronReader
from delrec_compile.interop.nir.written import NeuronWriter
from delrec_compile.network.model import LeakyReadout, Lif, LinearReadout, Neuron
from delrec_compile.ops.count_readout import CountReadout
from delrec_compile.ops.cuba_lif import CubaLif
from delrec_compile.ops.synaptic_readout import SynapticReadout

NEURONS = {
    "lif": Lif(0.9, 1.25, -0.5, 0.3, fires="above"),
    "at": Lif(0.9),
    "if": Lif(1.0, gain=0.25),
    "own": Lif(np.array([0.25, 0.5], np.float32), np.array([1, 2], np.float32)),
    "cuba": CubaLif(0.9, 0.7, 1.5, gain=0.3, gain_i=0.2),
}


@pytest.mark.parametrize("name", NEURONS)
def test_neurons_come_back_the_same(name: str) -> None:
    own: Neuron = NEURONS[name]
    node = NeuronWriter(nir, DT).neuron("n", own, (2,))
    again = NeuronReader(DT, "euler").neuron("n", node, (2,), getattr(own, "fires", None))
    assert again.attributes() == own.attributes()
    for key, values in own.arrays().items():
        np.testing.assert_array_equal(again.arrays()[key], values)


def test_readouts() -> None:
    own = NeuronWriter(nir, DT)
    node = own.readout("out", LeakyReadout.in_graph(np.zeros(2, np.float32), beta=0.75), (2,))
    made = NeuronReader(DT, "euler").integrator("out", node, (2,))
    assert (made.beta, made.gain) == (0.75, 1.0)
    each = LeakyReadout.in_graph(np.zeros(2, np.float32), beta=[0.75, 0.5])
    made = NeuronReader(DT, "euler").integrator("out", own.readout("out", each, (2,)), (2,))
    np.testing.assert_array_equal(made.beta, [0.75, 0.5])
    with refusal(UnsupportedError, "out: some outputs leak and some do not", 4):
        own.readout("out", LeakyReadout.in_graph(np.zeros(2, np.float32), beta=[0.75, 1.0]), (2,))
    both = SynapticReadout.in_graph(np.zeros(2), beta=[0.75, 0.5], alpha=[0.5, 0.875])
    made = NeuronReader(DT, "euler").integrator("out", own.readout("out", both, (2,)), (2,))
    np.testing.assert_allclose([made.beta, made.alpha], [both.beta, both.alpha], rtol=1e-6)
    assert own.readout("out", LinearReadout.in_graph(np.zeros(2, np.float32)), (2,)) is None


def test_counts_are_written_without_a_bias_alone() -> None:
    own = NeuronWriter(nir, DT)
    bias = np.array([0, 0.5], np.float32)
    with refusal(UnsupportedError, "out: counts with a bias have no node in NIR", 4):
        own.readout("out", CountReadout.in_graph(bias), (2,))
    assert isinstance(own.readout("out", CountReadout.in_graph(0 * bias), (2,)), nir.I)
    assert isinstance(own.readout("out", LeakyReadout.in_graph(bias, beta=0.75), (2,)), nir.LI)
