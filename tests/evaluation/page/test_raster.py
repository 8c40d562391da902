"""Marks and lines of the raster, read back from their paths."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from delrec_compile.evaluation.page.figures import Note
from delrec_compile.evaluation.page.raster import POINTS, line, marks, raster, raster_table
from delrec_compile.evaluation.page.recording import Recording, compared


def read_back(d: str, steps: int, rows: int) -> NDArray[np.bool_]:
    """(T, N) of the runs of a path."""
    found = np.zeros((steps, rows), bool)
    for begin, y, count in re.findall(r"M(\d+) (\d+)h(\d+)", d):
        found[int(begin) : int(begin) + int(count), rows - 1 - int(y)] = True
    return found


def test_every_spike_is_marked_once() -> None:
    spikes = np.random.default_rng(1).random((50, 31)) < 0.3
    d, rows = marks(spikes)
    assert rows == 31
    assert np.array_equal(read_back(d, 50, 31), spikes)


def test_neurons_beyond_the_rows_share_them() -> None:
    spikes = np.zeros((4, 10), bool)
    spikes[2, 9] = spikes[3, 0] = True
    d, rows = marks(spikes, rows=5)
    assert rows == 5
    assert d == "M2 0h1M3 4h1"


def test_a_line_goes_through_the_middle_of_each_step() -> None:
    assert line(np.array([0.0, 1.0, 0.5]), 0, 1) == "M0.5 1000L1.5 0L2.5 500"


def test_a_long_line_keeps_its_extremes() -> None:
    values = np.zeros(10_000)
    values[1234], values[7777] = 1, -1
    d = line(values, -1, 1)
    assert "1234.5 0L" in d
    assert "7777.5 1000L" in d
    assert d.count("L") <= POINTS + 2


def test_it_shows_input_populations_and_outputs(recording: Recording) -> None:
    figure = raster(recording)
    assert [p.title for p in figure.plots] == ["input x", "l0", "l1", "output y"]
    assert figure.steps == len(figure.spoken) == 80
    for plot, spikes in zip(figure.plots[1:3], recording.spikes, strict=True):
        d = plot.paths[0].d
        lengths = [int(n) for n in re.findall(r"h(\d+)", d)]
        shared = spikes.shape[1] > plot.height
        assert sum(lengths) <= spikes.sum() if shared else sum(lengths) == spikes.sum()
        assert f"{int(spikes.sum()):,} spikes" in plot.aside
    active = int((recording.x[5] != 0).sum())
    assert figure.spoken[5].startswith(f"50 ms: input {active}, l0 {recording.spikes[0][5].sum()}")
    counted = {row[0]: row for row in raster_table(recording).rows}
    assert counted["l1"][2] == f"{int(recording.spikes[1].sum()):,}"
    first = int(np.argmax(recording.x.any(axis=1)))
    assert counted["input x"][5] == f"{first * 10} ms"


def test_real_inputs_are_an_image(recording: Recording) -> None:
    figure = raster(replace(recording, x=recording.x - 0.5))
    assert figure.plots[0].image.startswith("data:image/png;base64,")
    assert figure.plots[0].paths == ()


def test_the_first_difference_is_marked(recording: Recording) -> None:
    other = [s.copy() for s in recording.spikes]
    other[1][39, 128] ^= 1
    plot = raster(compared(recording, other)).plots[2]
    assert [p.kind for p in plot.paths] == ["spike", "differs"]
    (note,) = plot.notes
    assert note == Note(pytest.approx(100 * 39.5 / 80, abs=0.01), note.y, "first difference")
    assert note.y == pytest.approx(100 - 100 * 128.5 / 256, abs=0.01)


def test_a_long_sample_of_a_large_network_is_drawn_coarser(recording: Recording) -> None:
    busy = np.ones((3000, 250), np.uint8)
    busy[::2] = 0
    large = replace(
        recording, x=busy.astype(np.float32), spikes=(busy, busy), y=np.zeros((3000, 20))
    )
    assert sum(len(p.d) for plot in raster(large).plots for p in plot.paths) < 1_000_000
