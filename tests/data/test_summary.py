"""The summary of a file of spike data."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.shd import write

from delrec_compile.data.events import load_events
from delrec_compile.data.summary import describe


def test_describe_sums_a_file_up(tmp_path: Path) -> None:
    info = describe(write(tmp_path / "a.h5", keys=["a", "b"], speaker=[7, 7, 3]))
    assert (info.utterances, info.classes, info.keys, info.speakers) == (3, 2, ("a", "b"), (3, 7))
    assert (info.spikes_min, info.spikes_max, info.unit_min, info.unit_max) == (0, 4, 0, 699)
    assert info.spikes_mean == pytest.approx(7 / 3)
    assert info.duration_s == 1.5
    assert info.times_dtype == "float16"
    assert info.size_bytes > 0


def test_describe_takes_a_file_without_utterances(tmp_path: Path) -> None:
    info = describe(write(tmp_path / "a.h5", [], []))
    assert (info.utterances, info.unit_min, info.spikes_mean) == (0, None, 0.0)
    assert load_events(tmp_path / "a.h5").counts.shape == (0, 100, 140)
