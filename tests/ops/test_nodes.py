"""Reading the nodes of a graph."""

from __future__ import annotations

import numpy as np

from delrec_compile.ops.nodes import Node


def test_a_node_reads_its_constants_and_the_nodes_before_it() -> None:
    constants = {"gain": np.float32([2.0])}
    nodes: dict[str, Node] = {}
    nodes["scaled"] = Node("Gain", ["x", "gain"], {}, constants.__getitem__, nodes.__getitem__)
    lif = Node("Lif", ["scaled"], {"beta": 0.5}, constants.__getitem__, nodes.__getitem__)
    assert lif.maker(0).op == "Gain"
    assert lif.maker(0).array(1).tolist() == [2.0]
