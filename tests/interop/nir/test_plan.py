"""The plan of a NIR graph."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.nir_graphs import DT, affine, branch, chain, cuba, delay, lif, nir, weights

from delrec_compile.errors import NetworkError, UnsupportedError, UsageError
from delrec_compile.interop.nir.plan import plan_nir
from delrec_compile.interop.nir.reader import from_nir

N = 4


def test_every_node_is_told() -> None:
    graph = chain(affine(N, 5), lif(N), loops=((delay(*[2] * N), nir.Linear(weights(N, N))),))
    made = plan_nir(graph, "a.nir", dt_ms=DT * 1e3)
    assert (made.source, made.form, made.exit_code) == ("a.nir", "NIR", 0)
    told = {part.name: part.becomes for part in made.parts}
    assert told["affine"] == "weights 5 -> 4"
    assert told["loop0_0"] == told["loop0_1"] == "recurrence of lif"


def test_a_graph_is_told() -> None:
    graph = chain(affine(N, 5), lif(N), affine(N, N), lif(N))
    made = plan_nir(branch(graph, "lif_1", "lif", nir.Linear(weights(N, N))), dt_ms=DT * 1e3)
    assert {part.name: part.becomes for part in made.parts}["b0_lif_1"] == "recurrence of lif"
    assert made.remarks == ("the network is a graph of 3 populations: lif, lif_1, output",)


def test_all_refusals_are_listed() -> None:
    late = nir.Delay(np.full(N, 2.5 * DT))
    fast = cuba(N, DT / 2), cuba(2, DT / 4)
    graph = chain(affine(N, 5), fast[0], affine(N, N), lif(N), late, affine(2, N), fast[1])
    made = plan_nir(graph, dt_ms=DT * 1e3)
    assert [part.kind for part in made.refused] == ["CubaLIF", "Delay", "CubaLIF"]
    assert "--method exact" in made.refused[0].instead
    assert len(plan_nir(graph, dt_ms=DT * 1e3, round_delays=True).refused) == 2


def test_a_graph_that_no_walk_goes_through() -> None:
    graph = chain(affine(N, 5), lif(N), affine(N, N), lif(N))
    graph.nodes["alone"] = affine(N, N)
    made = plan_nir(graph, dt_ms=1.0)
    assert [(part.name, part.kind) for part in made.refused] == [("alone", "Affine")]
    assert len(made.parts) == len(graph.nodes)


def test_a_step_is_suggested_where_none_is_stated() -> None:
    graph = chain(affine(N, 5), lif(N))
    assert "planned with --dt-ms" in plan_nir(graph).remarks[0]
    ones = np.ones(N)
    counts = chain(affine(N, 5), nir.IF(r=ones, v_threshold=ones))
    made = plan_nir(counts, dt_ms=1.0)
    assert made.ok
    assert "planned with --time-unit steps" in made.remarks[0]


def test_weights_too_large_for_exact_sums_are_refused() -> None:
    graph = chain(affine(N, 5), lif(N))
    graph.nodes["affine"].weight[0, 0] = 1e9
    assert [part.name for part in plan_nir(graph, dt_ms=DT * 1e3).refused] == ["lif"]
    with pytest.raises(NetworkError, match="layer 0"):
        from_nir(graph, dt_ms=DT * 1e3)


def test_a_unit_is_planned_as_import_takes_it() -> None:
    ones = np.ones(N)
    for scale, planned in ((1.0, "steps"), (1e4, "seconds")):
        counts = chain(affine(N, 5), nir.IF(r=ones, v_threshold=ones), delay(*[3] * N))
        counts.nodes["affine"].weight *= scale
        counts.nodes["delay"].delay[:] = 3.0
        told = {part.name: part.becomes for part in plan_nir(counts, dt_ms=1.0).parts}
        assert told["delay"] == f"delays of up to {3 if planned == 'steps' else 3000} steps"
        if planned == "seconds":
            assert from_nir(counts, dt_ms=1.0).network.max_delay == 3000
            continue
        with pytest.raises(UsageError, match="--time-unit steps"):
            from_nir(counts, dt_ms=1.0)


def test_a_delay_too_long_in_seconds_tells_the_unit() -> None:
    ones = np.ones(N)
    counts = chain(affine(N, 5), nir.IF(r=ones, v_threshold=ones), nir.Delay(9 * ones))
    with pytest.raises(UnsupportedError, match=r"9000 steps.*--time-unit steps"):
        from_nir(counts, dt_ms=1.0)
    assert plan_nir(counts, dt_ms=1.0).ok
    from_nir(counts, dt_ms=1.0, time_unit="steps")
