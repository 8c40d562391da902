"""Reading the nodes of a graph."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.neuron import check_nodes

from delrec_compile.ops.alpha import Alpha
from delrec_compile.ops.cuba_lif import CubaLif
from delrec_compile.ops.lif import Lif
from delrec_compile.ops.loihi import Loihi
from delrec_compile.ops.neuron import Neuron
from delrec_compile.ops.nodes import Node


def test_a_node_reads_its_constants_and_the_nodes_before_it() -> None:
    constants = {"gain": np.float32([2.0])}
    nodes: dict[str, Node] = {}
    nodes["scaled"] = Node("Gain", ["x", "gain"], {}, constants.__getitem__, nodes.__getitem__)
    lif = Node("Lif", ["scaled"], {"beta": 0.5}, constants.__getitem__, nodes.__getitem__)
    assert lif.maker(0).op == "Gain"
    assert lif.maker(0).array(1).tolist() == [2.0]


@pytest.mark.parametrize(
    "neuron",
    [
        Lif(0.5, 1.25, -0.5, reset="soft"),
        Lif(0.5, 1.25, -0.5, 0.75, fires="above"),
        CubaLif(0.5, 0.25, 1.25, -0.5, 0.75, 1.5, enters="old"),
        CubaLif(0.5, 0.25, 1.25, -0.5, 0.75, 1.5, "above", "soft_later"),
        Alpha(0.75, 0.5, 1.5, 0.25),
        Loihi(1024, 128, 0.5, 0.25),
    ],
    ids=lambda neuron: neuron.kind,
)
def test_the_nodes_of_a_neuron_tell_it_and_its_current(neuron: Neuron) -> None:
    check_nodes(neuron, np.random.default_rng(11))
