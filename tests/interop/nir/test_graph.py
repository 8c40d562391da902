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
    assert [(s.name, s.path, s.loops) for s in found.stops] == [
        ("l", ("w",), (("back", "l"),)),
        ("out", (), ()),
    ]


WRONG = {
    "two inputs": ({**NODES, "in2": "Input"}, PATH, "has 2 inputs and 1 outputs"),
    "no such node": (NODES, (*PATH, "l gone"), "an edge of 'gone', which is not a node"),
    "off the path": (NODES, PATH, "back: is not on any path from the input to the output"),
    "a dead end": (NODES, ("in w",), "w: sends its spikes on to 0 others"),
    "a cycle of weights": (
        {**NODES, "a": "Linear"},
        ("in w", "w a", "a back", "back a", "l out"),
        "a: takes the sum of back, w; only neurons may",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_graphs_that_are_no_path_are_refused(name: str) -> None:
    nodes, edges, message = WRONG[name]
    with refusal(UnsupportedError, message, 4):
        walk(graph_of(nodes, *edges))
