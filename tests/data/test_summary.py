"""The summary of a file of spike data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fixtures.shd import write
from helpers import refusal

from delrec_compile.data.events import Events, load_events, save_samples
from delrec_compile.data.summary import describe, describe_counts
from delrec_compile.errors import DataError


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


def test_counts_are_summed_up(tmp_path: Path) -> None:
    counts = np.zeros((2, 5, 4), np.uint8)
    counts[0, 1, 2] = 3
    np.save(tmp_path / "a.npy", counts)
    info = describe_counts(tmp_path / "a.npy")
    assert (info.samples, info.steps, info.inputs, info.largest_count) == (2, 5, 4, 3)
    assert (info.density, info.spikes_mean) == (1 / 40, 1.5)
    assert (info.dt_ms, info.classes, info.keys, info.speakers) == (None, 0, None, None)
    assert info.lines()[1:3] == ["step: length not stated", "labels: none"]


def test_real_values_are_summed_up(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.float32([[[0.5, -2.5], [0, 0]]]))
    info = describe_counts(tmp_path / "x.npz")
    assert (info.real, info.largest_count, info.density) == (True, 2.5, 0.5)
    assert "values of 1 samples" in info.lines()[0]
    assert "largest size of a value: 2.5" in info.lines()
    np.savez(tmp_path / "x.npz", x=np.float32([[[0.5, np.nan]]]))
    with refusal(DataError, "sample 0, step 0, input 1 is NaN", 3):
        describe_counts(tmp_path / "x.npz")


def test_lines_are_plain_text(tmp_path: Path) -> None:
    events = Events(
        np.ones((2, 5, 4), np.uint8), np.array([0, 1]), ("a", "b"), np.array([3, 7]), 2.5
    )
    save_samples(tmp_path / "a.npz", events)
    path = write(tmp_path / "a.h5", keys=["a", "b"], speaker=[7, 7, 3])
    for info in (describe_counts(tmp_path / "a.npz"), describe(path)):
        text = "\n".join(info.lines())
        assert "labels: 2 classes: a, b\nspeakers: 3, 7\n" in text
        assert not set(text) & set("[]{}'")
