"""Which membranes are drawn, and that lines, thresholds and marks are where the numbers say."""

from __future__ import annotations

import numpy as np
import pytest

from delrec_compile.evaluation.page.recording import Recording, compared
from delrec_compile.evaluation.page.traces import chosen, traces, traces_table


def test_the_most_active_neuron_and_the_middle_one_of_each_population(
    recording: Recording,
) -> None:
    picked = chosen(recording)
    assert [layer for layer, _ in picked] == [0, 0, 1, 1]
    for layer, neuron in picked[::2]:
        counts = recording.spikes[layer].sum(axis=0)
        assert counts[neuron] == counts.max()
    for layer, neuron in picked[1::2]:
        assert recording.spikes[layer][:, neuron].any()


def test_the_neuron_that_differs_first_leads(recording: Recording) -> None:
    other = [s.copy() for s in recording.spikes]
    other[0][12, 200] ^= 1
    both = compared(recording, other)
    assert chosen(both)[0] == (0, 200)
    plot = traces(both).plots[0]
    (note,) = plot.notes
    assert note.text == "first difference, step 12"
    assert note.x == pytest.approx(100 * 12.5 / 80, abs=0.01)


def test_a_plot_holds_the_membrane_its_threshold_and_its_spikes(recording: Recording) -> None:
    (layer, neuron), plot = chosen(recording)[0], traces(recording).plots[0]
    limit, membrane, ticks = plot.paths
    v = recording.membranes[layer][:, neuron]
    points = [tuple(map(float, p.split())) for p in membrane.d[1:].split("L")]
    assert len(points) == 80
    heights = np.array([y for _, y in points])
    assert np.corrcoef(heights, v)[0, 1] == pytest.approx(-1, abs=1e-3)
    threshold = float(limit.d.split()[1].partition("h")[0])
    fired = recording.spikes[layer][:, neuron] != 0
    assert np.array_equal(heights <= threshold + 1, fired)
    assert ticks.d.count("M") == fired.sum()
    row = traces_table(recording).rows[0]
    assert row[2] == str(fired.sum())
    assert row[4] == f"{v.max():.3g}"
