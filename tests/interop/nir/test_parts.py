"""The nodes along the routes of a graph as units: all refusals, or the first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.nir_graphs import DT, affine, chain, delay, edge, li, lif

from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.nir.graph import walk
from delrec_compile.interop.nir.parts import NodeReader

N = 4


def reader(graph: Any) -> NodeReader:
    return NodeReader(walk(graph), DT, "euler", True, False, {})


def test_refusals_are_noted_or_raised() -> None:
    graph = chain(affine(N, 6), lif(N), affine(N, 3), lif(N))
    graph.nodes["input"].output_type = {"output": np.array([5])}
    with pytest.raises(UnsupportedError, match="affine: takes 6 values"):
        reader(graph).units()
    refusals: dict[str, UnsupportedError] = {}
    made = reader(graph).units(refusals)
    assert list(refusals) == ["affine", "affine_1"]
    assert made.spiking == ("lif", "lif_1")


@pytest.mark.parametrize(
    "graph",
    [
        lambda: edge(chain(affine(N, 6), lif(N), affine(N, N), li(N)), ("lif", "output")),
        lambda: chain(affine(N, 6), lif(N), affine(N, N), li(N), affine(N, N)),
    ],
    ids=["beside others", "through weights"],
)
def test_an_output_of_neurons_that_never_fire_is_theirs_alone(graph: Any) -> None:
    with pytest.raises(UnsupportedError, match="comes after neurons that never fire"):
        reader(graph()).units()


def test_delays_may_be_zero() -> None:
    made = reader(chain(affine(N, 6), lif(N), affine(N, N), lif(N)))
    assert made.steps("delay", delay(0, 1, 0, 2), (N,)).tolist() == [0, 1, 0, 2]
    with pytest.raises(UnsupportedError, match="delays must be finite and 0 or more"):
        made.steps("delay", delay(0, 1, 0, -1), (N,))
