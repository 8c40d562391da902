"""The sections that every page has, and the energy worked out again."""

from __future__ import annotations

import cases
import numpy as np
import pytest

from delrec_compile.data.events import Events
from delrec_compile.evaluation.page import sections
from delrec_compile.evaluation.page.figures import Command, Lines, Table
from delrec_compile.evaluation.page.recording import Recording, compared
from delrec_compile.network.model import Network
from delrec_compile.network.summary import inspect


def test_the_network_has_a_graph_and_a_table(network: Network) -> None:
    graph, table, _ = sections.network_section(inspect(network)).parts
    assert len(graph.boxes) == 4
    assert [row[3] for row in table.rows] == ["x", "l0", "l1", "l1"]


def test_the_energy_is_events_times_constants(network: Network, bundled_samples: Events) -> None:
    section = sections.energy_section(network, bundled_samples)
    table = section.parts[0]
    assert isinstance(table, Table)
    counts = bundled_samples.counts[: sections.MOST_SAMPLES]
    fired = [[], []]
    state = network.reset(len(counts))
    for row in counts.swapaxes(0, 1).astype(np.float32):
        _, state = network.step(row, state, [f.append for f in fired])
    first, second = (np.stack(f).mean() * 256 for f in fired)
    active = (counts != 0).mean() * 140
    macs = active * 256 + 512 + 20
    additions = first * 256 + second * 3 + second * 20
    assert table.rows[0][1] == f"{macs:,.0f}"
    assert float(table.rows[0][2].replace(",", "")) == pytest.approx(additions, abs=1)
    energy = (4.6 * macs + 0.9 * additions) / 1000
    assert table.rows[0][3] == f"{energy:,.1f} nJ"
    assert "estimate" in section.title
    assert isinstance(section.parts[1], Lines)
    assert "Horowitz" in section.parts[1].lines[0]


def test_what_the_artifact_did_is_said(recording: Recording) -> None:
    alone, _ = sections.sample_sections(recording)
    assert alone.lead == "80 steps of 10 ms, computed in PyTorch. "
    other = [s.copy() for s in recording.spikes]
    other[0][4, 9] ^= 1
    both, _ = sections.sample_sections(compared(recording, other))
    assert "1 of 40,960 spikes differ, first in l0, neuron 9, at step 4" in both.lead


def test_the_environment_repeats_its_commands() -> None:
    parts = sections.environment_section({"tool": "1"}, {"cpu": "c"}, "made", "built").parts
    assert [p.line for p in parts if isinstance(p, Command)] == ["made", "built"]
    assert parts[0].rows == [("cpu", "c"), ("tool", "1")]


def test_a_network_without_delays_has_no_such_section() -> None:
    plain = cases.made(cases.Case("plain", recurrence=("", "")))
    assert sections.delays_section(plain) is None
    assert sections.present([None]) == ()
