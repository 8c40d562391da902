"""Populations and projections as composers see them."""

from __future__ import annotations

import cases

from delrec_compile.compiler.kernels.nodes import allowed, is_layered, nodes_of
from delrec_compile.targets.schedule import Schedule


def test_a_chain_has_a_node_per_layer_and_the_readout() -> None:
    nodes = nodes_of(cases.network("mixed"))
    assert [(n.name, n.size, n.fires) for n in nodes] == [
        ("l0", 16, True),
        ("l1", 32, True),
        ("out", 5, False),
    ]
    feed, own = nodes[0].edges
    assert (feed.source, feed.of_input, feed.line, feed.in_rows) == ("x", True, None, True)
    assert (own.source, own.first) == ("l0", 1)
    assert (nodes[0].feeds, nodes[0].delayed) == ((feed,), (own,))
    assert is_layered(nodes)


def test_a_graph_tells_which_edges_close_a_cycle() -> None:
    nodes = nodes_of(cases.network("graph_maps"))
    first = {(n.name, e.source): e.first for n in nodes for e in n.delayed}
    assert first["a", "b"] == first["b", "c"] == first["b", "b"] == first["c", "c"] == 1
    assert first["a", "x"] == first["b", "a"] == first["c", "b"] == first["out", "b"] == 0
    assert not is_layered(nodes)


def test_cycles_between_populations_have_no_kernel_of_many_steps() -> None:
    schedule = Schedule(4, 8, "scan", chunk=16)
    assert allowed(schedule, cases.network("mixed")) == schedule
    assert allowed(schedule, cases.network("graph_maps")).chunk == 0
