"""The populations come back from a Relax graph as they were exported."""

from __future__ import annotations

import cases
import numpy as np
import pytest

from delrec_compile.compiler.kernels.float32_tables import tables_of, weight_formats
from delrec_compile.compiler.lower import to_relax
from delrec_compile.compiler.relax_reader import read_graph
from delrec_compile.network.grid import grids, snap
from delrec_compile.network.model import (
    Convolution,
    Dense,
    DenseDelay,
    LeakyReadout,
    Lif,
    Maps,
    Network,
    Population,
    Projection,
    SynapticDelay,
    TapConvDelay,
)
from delrec_compile.network.onnx_step.export import model_of
from delrec_compile.ops.linear_readout import LinearReadout
from delrec_compile.ops.readout import no_weight
from delrec_compile.targets.schedule import Schedule

CHAINS = ("mixed", "three_layers", "odd_lif", "cuba_lif", "own_cuba_lif", "refractory", "own_alif")
CHAINS += ("adlif", "alpha", "feed_forward", "delay_300", "frontend", "all_kinds", "count_readout")


def back(network: Network) -> Network:
    return read_graph(to_relax(model_of(network, "semantic")))


def require_same(have: Network, want: Network) -> None:
    """The same populations: names, constants, projections; keys of tables too."""
    assert [p.name for p in have.populations] == [p.name for p in want.populations]
    for ours, theirs in zip(have.populations, want.populations, strict=True):
        assert ours.neuron.kind == theirs.neuron.kind
        np.testing.assert_array_equal(ours.biases, theirs.biases)
        assert len(ours.projections) == len(theirs.projections)
        for a, b in zip(ours.projections, theirs.projections, strict=True):
            assert (a.source, a.prefix, type(a.synapses)) == (b.source, b.prefix, type(b.synapses))
            assert a.synapses.attributes() == b.synapses.attributes()
            for name, array in b.synapses.arrays().items():
                np.testing.assert_array_equal(a.synapses.arrays()[name], array)


@pytest.mark.parametrize("name", CHAINS)
def test_the_populations_come_back_from_relax(name: str) -> None:
    network = cases.network(name)
    have = back(network)
    require_same(have, network)
    for ours, theirs in zip(have.spiking, network.spiking, strict=True):
        assert ours.model.attributes() == theirs.model.attributes()
        for key, value in theirs.model.arrays().items():
            np.testing.assert_array_equal(ours.model.arrays()[key], value)
    np.testing.assert_array_equal(have.readout.beta, network.readout.beta)


def graph() -> Network:
    """Delayed inputs, a skip, a cycle of two, maps, shared weights, two readouts."""
    r = np.random.default_rng(1)

    def delays(*shape: int) -> np.ndarray:
        return r.integers(0, 5, shape)

    shared = DenseDelay(r.normal(size=(6, 6)), delays(6))
    maps = Maps(2, 1, 6, (2, 2, 1, 3), pad=(0, 1))
    populations = [
        Population(
            "first",
            Lif(0.5),
            (
                Projection("x", SynapticDelay(r.normal(size=(12, 4)), delays(12, 4))),
                Projection("x", Dense(r.normal(size=(12, 4)))),
                Projection("last", Dense(r.normal(size=(12, 6)))),
            ),
            r.normal(size=2),
        ),
        Population(
            "maps",
            Lif(0.7, fires="above"),
            (
                Projection("first", Convolution(r.normal(size=(2, 2, 1, 3)), maps)),
                Projection("maps", TapConvDelay(r.normal(size=(2, 2, 3)), np.array([0, 4]), 6)),
            ),
            r.normal(size=2),
        ),
        Population("last", Lif(0.5), (Projection("maps", Dense(r.normal(size=(6, 12)))),)),
        Population("more", Lif(0.5), (Projection("last", shared), Projection("more", shared))),
        readout("out", "more", r.normal(size=(3, 6))),
        readout("aux", "last", r.normal(size=(2, 6))),
    ]
    return snap(Network.of(populations, max_input=2))


def readout(name: str, source: str, weight: np.ndarray) -> Population:
    rule = LeakyReadout.in_graph(np.ones(len(weight)), beta=0.5)
    return Population(name, rule, (Projection(source, Dense(weight)),))


def test_a_graph_comes_back_from_relax() -> None:
    network = graph()
    have = back(network)
    require_same(have, network)
    assert have.histories == network.histories


def test_shared_weights_are_one_object_and_one_table() -> None:
    network = back(graph())
    _, back_to_itself = (p.synapses for p in network.populations[3].projections)
    assert network.populations[3].projections[0].synapses is back_to_itself
    forms = weight_formats(network, Schedule(4, 4, "scan"), grids(network))
    tables, same = tables_of(network, forms)
    # the projection onto itself has the prefix of a chain's recurrence
    assert same == {"more_recurrent": "more_p0_recurrent", "more_delay": "more_p0_delay"}
    assert "more_recurrent" not in tables


def test_a_readout_without_state_has_a_name_that_no_other_has() -> None:
    r = np.random.default_rng(0)
    linear = LinearReadout(no_weight(2), np.zeros(2))
    leaky = LeakyReadout(no_weight(2), np.zeros(2), 0.5)
    from_a = [Projection("a", Dense(r.normal(size=(2, 4)))) for _ in range(2)]
    network = Network.of(
        [
            Population("a", Lif(0.5), (Projection("x", Dense(r.normal(size=(4, 3)))),)),
            Population("b", linear, (from_a[0],)),
            Population("out1", leaky, (from_a[1],)),
        ]
    )
    assert [p.name for p in back(network).populations] == ["a", "out1x", "out1"]


def test_real_inputs_come_back() -> None:
    network = cases.network("real")
    assert back(network).real_input == network.real_input
