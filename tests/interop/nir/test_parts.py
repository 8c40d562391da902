"""The nodes along a walk as parts of a chain: all refusals, or the first."""

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
        reader(graph).chain()
    refusals: dict[str, UnsupportedError] = {}
    made = reader(graph).chain(refusals)
    assert list(refusals) == ["affine", "affine_1"]
    assert [name for name, _ in made.layers()] == ["lif", "lif_1"]


def test_a_leak_is_that_of_the_method() -> None:
    own = reader(chain(affine(N, 5), lif(N)))
    beta, gain = own.leak("lif", np.array([4 * DT]), np.array([2.0]))
    assert (beta[0], gain[0]) == pytest.approx((0.75, 0.5))
    own.method = "exact"
    beta, gain = own.leak("lif", np.array([4 * DT]), np.array([2.0]))
    assert (beta[0], gain[0]) == pytest.approx((np.exp(-0.25), 2 * (1 - np.exp(-0.25))))
    for tau, method in ((0.0, "exact"), (-1.0, "exact"), (DT / 2, "euler")):
        own.method = method
        with pytest.raises(UnsupportedError, match="lif: tau is"):
            own.leak("lif", np.array([tau]), np.array([1.0]))
