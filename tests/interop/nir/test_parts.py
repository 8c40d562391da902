"""The nodes along the routes of a graph as units: all refusals, or the first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.nir_graphs import DT, affine, chain, lif

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
