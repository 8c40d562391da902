"""The path of a NIR graph from its input to its output."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fixtures.nir_graphs import DT, N, affine, lif, nir, weights
from helpers import refusal

import delrec_compile
from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.nir.graph import walk


def test_subgraphs_are_taken_apart() -> None:
    inner = nir.NIRGraph(
        nodes={
            "input": nir.Input(np.array([N])),
            "lif": lif(N),
            "w": nir.Linear(weights(N, N)),
            "output": nir.Output(np.array([N])),
        },
        edges=[("input", "lif"), ("lif", "w"), ("w", "lif"), ("lif", "output")],
    )
    nodes = {"input": nir.Input(np.array([5])), "a": affine(N, 5), "r": inner}
    nodes |= {"b": affine(3, N), "output": nir.Output(np.array([3]))}
    edges = [("input", "a"), ("a", "r"), ("r", "b"), ("b", "output")]
    graph = nir.NIRGraph(nodes, edges, type_check=False)
    network = delrec_compile.from_nir(graph, dt_ms=DT * 1e3).network
    assert network.layers[0].recurrence is not None
    assert network.outputs == 3


class Node:
    """A node of the kind that its class name says."""


KINDS = {kind: type(kind, (Node,), {}) for kind in ("Input", "Output", "LIF", "Linear", "Affine")}


def graph_of(nodes: dict[str, str], *edges: str) -> Any:
    """nodes: kind by name. edges: `a b`."""
    made = SimpleNamespace(nodes={n: KINDS[k]() for n, k in nodes.items()})
    made.edges = [tuple(e.split()) for e in edges]
    return made


NODES = {"in": "Input", "w": "Affine", "l": "LIF", "back": "Linear", "out": "Output"}
PATH = ("in w", "w l", "l out")


def test_a_walk_names_the_nodes_before_and_behind_each_layer() -> None:
    found = walk(graph_of(NODES, *PATH, "l back", "back l"))
    assert found.source == "in"
    assert [(s.name, [(r.source, r.nodes, r.closes) for r in s.routes]) for s in found.stops] == [
        ("l", [("in", ("w",), False), ("l", ("back",), True)]),
        ("out", [("l", (), False)]),
    ]


def test_a_bias_counts_on_the_first_of_several_routes() -> None:
    nodes = {"in": "Input", "a": "LIF", "b": "LIF", "w": "Affine", "c": "LIF", "out": "Output"}
    found = walk(graph_of(nodes, "in a", "a b", "a w", "b w", "w c", "c out"))
    assert [s.name for s in found.stops] == ["a", "b", "c", "out"]
    routes = found.stops[2].routes
    assert [(r.source, r.nodes, r.biased) for r in routes] == [
        ("a", ("w",), (True,)),
        ("b", ("w",), (False,)),
    ]


def test_what_comes_from_a_later_layer_closes_a_cycle() -> None:
    nodes = {"in": "Input", "b": "LIF", "a": "LIF", "back": "Linear", "out": "Output"}
    found = walk(graph_of(nodes, "in a", "a b", "b back", "back a", "b out", "a out"))
    assert [s.name for s in found.stops] == ["a", "b", "out"]
    assert [(r.source, r.closes) for r in found.stops[0].routes] == [("in", False), ("b", True)]


WRONG = {
    "two inputs": (
        {**NODES, "in2": "Input"},
        PATH,
        "has 2 inputs and 1 outputs; one input and",
    ),
    "no such node": (NODES, (*PATH, "l gone"), "an edge of 'gone', which is not a node"),
    "off the path": (NODES, PATH, "back: is not on any path from the input to an output"),
    "a dead end": (
        {n: NODES[n] for n in ("in", "w", "out")},
        ("in w",),
        "in: is not on any path from the input to an output",
    ),
    "a cycle of weights": (
        {**NODES, "a": "Linear"},
        ("in w", "w a", "a back", "back a", "a l", "l out"),
        "back: is in a cycle without neurons",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_graphs_that_are_no_path_are_refused(name: str) -> None:
    nodes, edges, message = WRONG[name]
    with refusal(UnsupportedError, message, 4):
        walk(graph_of(nodes, *edges))
