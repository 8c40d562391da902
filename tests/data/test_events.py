"""Reading spike files: every trap of the SHD/SSC layout, and every way a file can be wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.shd import write
from helpers import refusal

from delrec_compile.data.events import Events, load_events
from delrec_compile.data.summary import describe
from delrec_compile.errors import DataError, UsageError


def test_an_empty_utterance_is_silence(tmp_path: Path) -> None:
    for align in (False, True):
        events = load_events(write(tmp_path / "a.h5"), align_first_spike=align)
        assert not events.counts[1].any()


def test_spikes_after_the_window_are_dropped(tmp_path: Path) -> None:
    events = load_events(write(tmp_path / "a.h5"), steps=100)
    assert events.counts[2].sum() == 1
    aligned = load_events(write(tmp_path / "a.h5"), steps=100, align_first_spike=True)
    assert aligned.counts[2].sum() == 2  # 0.3 and 1.2 s become 0 and 0.9 s


def test_spikes_after_the_window_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5")
    assert load_events(path, steps=100).outside == pytest.approx(2 / 7)
    assert load_events(path, steps=200).take([0]).outside == 0
    info = describe(path)
    assert (info.window_s, info.outside) == (0.8, pytest.approx(2 / 7))
    assert describe(path, steps=121).outside == pytest.approx(1 / 7)
    assert describe(write(tmp_path / "b.h5", [([], [])], [0])).outside == 0


def test_a_window_without_a_spike_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", [([20.0, 810.0], [1, 2])], [0])
    with refusal(
        DataError,
        r"a\.h5: no spike in the first 1 s \(100 steps of 10 ms\); its 2 lie at 20 to 810 s; "
        "times must be in seconds",
        3,
    ):
        load_events(path)
    assert describe(path).outside == 1
    assert load_events(path, align_first_spike=True).outside == 0.5
    assert load_events(write(path, [([], [])], [0])).outside == 0


def test_a_time_on_a_bin_edge_belongs_to_the_later_bin(tmp_path: Path) -> None:
    edges = np.arange(0, 100) / 100
    path = write(tmp_path / "a.h5", [(edges, np.zeros(100, int))], [0], times=np.float64)
    assert (load_events(path).counts[0, :, 0] == 1).all()


def test_names_and_speakers_are_read_and_speakers_chosen(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", keys=["zero", "fünf"], speaker=[4, 5, 4])
    events = load_events(path, speakers={4})
    assert events.keys == ("zero", "fünf")
    assert events.classes == 2
    assert events.labels.tolist() == [0, 1]
    assert events.speaker is not None
    assert events.speaker.tolist() == [4, 4]
    with pytest.raises(DataError, match=r"no speaker \[9\]; its speakers are: 4, 5"):
        load_events(path, speakers={9})


def test_speakers_cannot_be_chosen_from_a_file_without_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no extra/speaker"):
        load_events(write(tmp_path / "a.h5"), speakers={1})


def test_more_spikes_than_fit_a_bin_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", [(np.zeros(300), np.zeros(300, int))], [0])
    with pytest.raises(DataError, match="300 spikes in one bin; at most 255"):
        load_events(path)


@pytest.mark.parametrize(
    "options", [{"dt_ms": 0}, {"dt_ms": float("nan")}, {"steps": 0}, {"group": 0}, {"group": 3}]
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        load_events(write(tmp_path / "a.h5"), **options)


def test_the_first_of_each_class_keep_their_order() -> None:
    labels = np.array([2, 0, 0, 1, 2, 0, 2])
    counts = np.arange(7, dtype=np.uint8).reshape(7, 1, 1)
    chosen = Events(counts, labels, None, None, 10.0).first_of_each_class(2)
    assert chosen.counts.ravel().tolist() == [0, 1, 2, 3, 4]
    assert chosen.labels.tolist() == [2, 0, 0, 1, 2]
