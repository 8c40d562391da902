"""Which populations lie as (row, column, channel), and their tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from delrec_compile.compiler.kernels.map_places import by_place, period, taps_of, with_places
from delrec_compile.compiler.kernels.nodes import Places, nodes_of
from delrec_compile.network.model import (
    Convolution,
    Dense,
    DenseDelay,
    LeakyReadout,
    Lif,
    Network,
    Population,
    Projection,
)
from delrec_compile.ops.maps import Maps
from delrec_compile.targets.schedule import Schedule

VECTORS, SCALARS = Schedule(16, 8, "scan"), Schedule(1, 8, "branch")
FIRST, SECOND = Maps(1, 6, 6, (4, 1, 3, 3)), Maps(4, 4, 4, (8, 4, 1, 1))


def convolution(maps: Maps) -> Convolution:
    return Convolution(np.ones(maps.kernel, np.float32), maps)


def network(*more: Projection, neuron: Lif | None = None) -> Network:
    """more: projections into the second population."""
    return Network.of(
        [
            Population(
                "a", neuron or Lif(0.9), (Projection("x", convolution(FIRST)),), np.arange(4)
            ),
            Population("b", Lif(0.9), (Projection("a", convolution(SECOND)), *more)),
            Population(
                "out",
                LeakyReadout.in_graph(np.zeros(2, np.float32), beta=0.9),
                (Projection("b", Dense(np.ones((2, 128), np.float32))),),
            ),
        ]
    )


def placed(net: Network) -> list[Places | None]:
    return [node.places for node in with_places(nodes_of(net), VECTORS)]


def test_maps_of_maps_lie_by_place() -> None:
    assert placed(network()) == [Places(4, 4, 4), Places(8, 4, 4), None]
    assert list(taps_of(with_places(nodes_of(network()), VECTORS))) == [("a", ""), ("b", "")]


def test_a_population_with_another_map_lies_as_in_the_network() -> None:
    delayed = Projection("b", DenseDelay(np.eye(128, dtype=np.float32), np.zeros(128, np.int32)))
    assert placed(network(delayed)) == [Places(4, 4, 4), None, None]


def test_all_that_take_x_lie_by_place_or_none() -> None:
    dense = Projection("x", Dense(np.ones((128, 36), np.float32)))
    assert placed(network(dense)) == [None, None, None]
    assert all(
        e.taps is None for n in with_places(nodes_of(network(dense)), VECTORS) for e in n.edges
    )


def test_neurons_are_updated_in_full_vectors_where_a_row_has_such_parts() -> None:
    assert period(Places(16, 4, 8), VECTORS) == 128
    assert period(Places(64, 4, 4), VECTORS) == 128
    assert period(Places(12, 4, 8), VECTORS) == 96
    assert period(Places(3, 4, 5), VECTORS) == 15
    assert period(Places(3, 4, 5), SCALARS) == 3


def test_a_table_has_one_value_per_channel_where_places_do_not_differ() -> None:
    own = np.arange(64, dtype=np.float32) / 64
    nodes = with_places(nodes_of(network(neuron=Lif(own))), SCALARS)
    tables = {"a_bias": np.repeat(np.arange(4), 16), "a_lif_beta": own, "a_lif": np.zeros(6)}
    out = by_place(tables, nodes, SCALARS)
    np.testing.assert_array_equal(out["a_bias"], [0, 1, 2, 3, 0, 1, 2, 3])
    np.testing.assert_array_equal(out["a_lif_beta"], own.reshape(4, 16).T.reshape(-1))
    assert out["a_lif"].size == 6


def test_a_table_of_weights_stays_as_it_is() -> None:
    maps = replace(FIRST, kernel=(4, 1, 4, 4), height=7, width=7)
    out = Population(
        "out",
        LeakyReadout.in_graph(np.zeros(2, np.float32), beta=0.9),
        (Projection("a", Dense(np.ones((2, 64), np.float32))),),
    )
    net = Network.of([Population("a", Lif(0.9), (Projection("x", convolution(maps)),)), out])
    nodes = with_places(nodes_of(net), SCALARS)
    weight = np.arange(64)
    assert by_place({"a_weight": weight}, nodes, SCALARS)["a_weight"] is weight
