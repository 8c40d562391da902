"""Undelayed sums: which are made before the rest, and which are kept while real inputs stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cases
import numpy as np
import pytest
from fixtures.composers import composer
from fixtures.staged import artifact_here

from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.model import Network
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.session import Session
from delrec_compile.targets.schedule import Schedule

SILENT = Schedule(4, 8, "movemask", "pairs", silent="subtracted", taps="planes", chunk=8, tile=8)


@pytest.mark.parametrize(
    ("name", "hoists", "keeps"),
    [
        ("mixed", [True, True, True], [False, False, False]),
        ("real", [True, True, True], [True, False, False]),
        ("real_maps", [False, True, True], [False, False, False]),
    ],
)
def test_rows_are_summed_first_and_kept_where_the_input_is_real(
    name: str, hoists: list[bool], keeps: list[bool]
) -> None:
    made = composer(cases.network(name), Schedule(8))
    assert [made.hoists(i) for i in range(3)] == hoists
    assert [made.keeps(i) for i in range(3)] == keeps


@pytest.fixture(scope="module", params=["mixed", "no_delay", "graph_shared"])
def loud(request: pytest.FixtureRequest) -> Network:
    """A network of which most neurons spike."""
    case = cases.CASES[request.param]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cases, "RATE", 0.75)
        return cases.made(case)


@pytest.mark.parametrize(
    ("name", "turns"),
    [
        ("mixed", [True, True]),
        ("synaptic", [True, True]),
        ("off_grid", [False, False]),  # sums of float32
        ("graph_maps", [False, False]),  # convolutions read the lists
    ],
)
def test_lists_turn_where_rows_of_integers_alone_read_them(name: str, turns: list[bool]) -> None:
    made = composer(cases.network(name), SILENT)
    assert [made.turns(i) for i in range(2)] == turns
    made = composer(cases.network(name), replace(SILENT, silent="skipped"))
    assert not any(made.turns(i) for i in range(2))


@pytest.mark.parametrize("numeric", ["float32", "int16", "int8"])
@pytest.mark.parametrize(
    ("target", "schedule"),
    [
        ("x86_64", SILENT),
        ("x86_64", replace(SILENT, rows="units", bytes="biased", chunk=0)),
        ("portable_c", Schedule(1, 8, "branch", "units", silent="subtracted")),
    ],
)
def test_rows_of_silent_neurons_give_the_bits_of_the_active_ones(
    target: str, schedule: Schedule, numeric: str, loud: Network, tmp_path: Path
) -> None:
    """Recurrences of dense rows, and a graph, in steps, sequences and traces."""
    artifact = artifact_here(loud, target, tmp_path, numeric=numeric, schedule=schedule)
    x = cases.counts(cases.CASES[loud.name], batch=2, steps=40)
    source = loud if numeric == "float32" else quantise(loud, numeric)
    want = ReferenceRunner(source).trace(x)
    assert np.mean([spikes.mean() for spikes in want.spikes]) > 0.5
    np.testing.assert_array_equal(Session(artifact).outputs_of(x), want.y)
    have = Session(artifact).trace_once(x)
    np.testing.assert_array_equal(have.y, want.y)
    for own, spikes in zip(have.spikes, want.spikes, strict=True):
        np.testing.assert_array_equal(own, spikes)
