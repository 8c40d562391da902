"""Integrators before neurons: what they become is in test_reader; here what is no synaptic current."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.nir_graphs import DT, N, affine, branch, chain, cuba, edge, li, lif, nir, weights
from helpers import refusal

import delrec_compile
from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.nir.filters import without_filters
from delrec_compile.interop.nir.graph import walk
from delrec_compile.interop.nir.plan import plan_nir


def uneven(n: int, **values: float) -> Any:
    own = {"tau": 4 * DT, "r": 4.0, "v_leak": 0.0} | values
    return nir.LI(**{k: v * np.linspace(1, 2, n) for k, v in own.items()})


REFUSED = {
    "an output too": (
        lambda: edge(chain(affine(N, 5), li(N), lif(N)), ("li", "output")),
        "li: its value is an output, and a current of 'lif'",
    ),
    "some only": (
        lambda: branch(
            chain(affine(N, 5), li(N), lif(N)), "input", "lif", nir.Linear(weights(N, 5))
        ),
        "li: some currents of 'lif' pass an integrator, those of 'input' do not",
    ),
    "three": (
        lambda: chain(affine(N, 5), li(N), li(N), lif(N)),
        "li: an integrator before 'li_1', which has another one",
    ),
    "before a synapse": (
        lambda: chain(affine(N, 5), li(N), cuba(N, 2 * DT)),
        "li: an integrator before 'cubalif', which has another one",
    ),
    "uneven": (
        lambda: chain(affine(N, 5), uneven(N), nir.Linear(weights(N, N)), lif(N)),
        "li: an integrator before weights, with tau that differs",
    ),
    "another one": (
        lambda: chain(affine(N, 5), li(N), lif(N), loops=((uneven(N),),)),
        "li: an integrator before weights, with tau that differs",
    ),
    "rest": (
        lambda: chain(affine(N, 5), nir.LI(*np.full((3, N), DT)), lif(N)),
        "li: v_leak of an integrator before neurons must be 0",
    ),
    "bias": (
        lambda: chain(affine(N, 5), li(N), affine(N, N), lif(N)),
        "affine_1: a bias behind the integrator 'li'; move it before",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_synaptic_current(what: str) -> None:
    make, message = REFUSED[what]
    with refusal(UnsupportedError, message, 4):
        delrec_compile.from_nir(make(), dt_ms=DT * 1e3)


def test_routes_pass_an_integrator() -> None:
    graph = chain(affine(N, 5), li(N), lif(N), loops=((nir.Linear(weights(N, N)), li(N)),))
    made = without_filters(walk(graph))
    assert [stop.name for stop in made.stops] == ["lif", "output"]
    own = [(r.source, r.nodes, r.closes) for r in made.stops[0].routes]
    assert own == [("input", ("affine", "li"), False), ("lif", ("loop0_0", "loop0_1"), True)]
    assert made.currents == {"lif": "li"}


def test_a_plan_tells_it() -> None:
    rows = plan_nir(chain(affine(N, 5), li(N), lif(N)), dt_ms=DT * 1e3).parts
    assert [r.becomes for r in rows if r.name == "li"] == ["the synaptic current of lif"]


def test_a_bias_of_zeros_behind_an_integrator_is_none() -> None:
    free = affine(N, N)
    free.bias[:] = 0
    made = delrec_compile.from_nir(chain(affine(N, 5), li(N), free, lif(N)), dt_ms=DT * 1e3)
    assert len(made.network.layers) == 1
