"""SHD/SSC files, and every way in which one can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from fixtures.shd import LABELS, write
from helpers import refusal

from delrec_compile.data.events import load_events
from delrec_compile.data.summary import describe
from delrec_compile.errors import DataError


@pytest.mark.parametrize("times", [np.float16, np.float32])
@pytest.mark.parametrize("units", [np.uint16, np.int16])
def test_layouts_of_the_published_files_are_read(tmp_path: Path, times: Any, units: Any) -> None:
    path = write(tmp_path / "a.h5", times=times, units=units)
    events = load_events(path, steps=100)
    assert events.counts.dtype == np.uint8
    assert events.counts.shape == (3, 100, 140)
    assert events.labels.tolist() == LABELS
    assert events.keys is None
    assert events.speaker is None
    first = events.counts[0]
    assert first[0, 0] == 2
    assert first[1, 1] == 1
    assert first[50, 139] == 1
    assert first.sum() == 4


def test_float16_times_are_widened_before_arithmetic(tmp_path: Path) -> None:
    seconds = np.linspace(0.0, 1.3, 400).astype(np.float16)
    path = write(tmp_path / "a.h5", [(seconds, np.zeros(400, int))], [0])
    events = load_events(path, dt_ms=0.01, steps=140_000, units=700, group=700)
    assert events.counts.sum() == 400
    expected = np.floor(seconds.astype(np.float64) * 1e5 + 1e-9).astype(int)
    assert set(np.flatnonzero(events.counts[0, :, 0])) == set(expected)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "times missing": ({"leave_out": ["spikes/times"]}, "no dataset 'spikes/times'.*present:"),
    "labels missing": ({"leave_out": ["labels"]}, "no dataset 'labels'"),
    "too few labels": ({"labels": [0]}, "1 labels, but spikes/times has 3 utterances"),
    "unit too large": (
        {"utterances": [([0.1], [700])], "labels": [0]},
        "unit 700; allowed: 0..699",
    ),
    "unit negative": (
        {"utterances": [([0.1], [-1])], "labels": [0], "units": np.int16},
        "utterance 0 has unit -1",
    ),
    "lengths differ": ({"utterances": [([0.1, 0.2], [1])], "labels": [0]}, "2 times and 1 units"),
    "time negative": ({"utterances": [([-0.5], [1])], "labels": [0]}, r"time -0\.5"),
    "time nan": ({"utterances": [([np.nan], [1])], "labels": [0]}, "time nan"),
    "time infinite": ({"utterances": [([np.inf], [1])], "labels": [0]}, "time inf"),
    "times are integers": ({"times": np.int32}, "floats and integers are required"),
    "labels are floats": ({"label_type": np.float32}, "labels is float32"),
    "label without a name": ({"keys": ["only"]}, "label 1; there are 1 class names"),
    "label negative": ({"labels": [0, -1, 0], "label_type": np.int16}, "utterance 1 has label -1"),
    "labels are a table": ({"labels": [[0], [1], [1]]}, "labels has shape"),
    "too few speakers": ({"speaker": [1]}, "3 integers are required"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    options, message = WRONG[case]
    path = write(tmp_path / "a.h5", **options)
    for read in (load_events, describe):
        with pytest.raises(DataError, match=message) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


FOREIGN: dict[str, tuple[str, Any, str]] = {
    "times in one row": ("spikes/times", np.zeros(3, np.float32), "is float32; an array for each"),
    "units in one row": ("spikes/units", np.zeros(3, np.uint16), "is uint16; an array for each"),
    "keys are a group": ("extra/keys", None, "is a group; leave it out, or store a one-dim"),
    "keys are one text": ("extra/keys", b"ab", r"is of shape \[\]; leave it out"),
    "labels are empty": ("labels", h5py.Empty("u2"), r"has shape \[\]; one dim"),
    "speaker is a group": ("extra/speaker", None, "is a group; leave it out"),
    "speaker is one number": ("extra/speaker", 1, r"is of shape \[\]; leave it out"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_other_things_in_the_place_of_a_dataset_are_refused(tmp_path: Path, case: str) -> None:
    name, value, message = FOREIGN[case]
    path = write(tmp_path / "a.h5", leave_out=[name])
    with h5py.File(path, "a") as file:
        if value is None:
            file.create_group(name)
        else:
            file[name] = value
    for read in (load_events, describe):
        with refusal(DataError, f"a\\.h5: {name} {message}", 3):
            read(path)


def test_missing_foreign_and_cut_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_events(tmp_path / "none.h5")
    with pytest.raises(DataError, match="is a directory"):
        load_events(tmp_path)
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(DataError, match="not an intact HDF5 file"):
        load_events(tmp_path / "text.h5")
    raw = write(tmp_path / "a.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(DataError, match="not an intact HDF5 file"):
        load_events(tmp_path / "cut.h5")


def _linked(other: Path, file: h5py.File) -> None:
    file["labels"] = h5py.ExternalLink(str(other), "labels")


def _linked_twice(other: Path, file: h5py.File) -> None:
    file["elsewhere"] = h5py.ExternalLink(str(other), "labels")
    file["labels"] = h5py.SoftLink("/elsewhere")


def _raw(other: Path, file: h5py.File) -> None:
    file.create_dataset("labels", (3,), "u2", external=[(str(other), 0, 6)])


def _virtual(other: Path, file: h5py.File) -> None:
    layout = h5py.VirtualLayout((3,), "u2")
    layout[:] = h5py.VirtualSource(str(other), "labels", (3,))
    file.create_virtual_dataset("labels", layout)


@pytest.mark.parametrize("place", [_linked, _linked_twice, _raw, _virtual])
def test_values_in_other_files_are_not_read(
    tmp_path: Path, place: Callable[[Path, h5py.File], None]
) -> None:
    other = write(tmp_path / "other.h5")
    path = write(tmp_path / "a.h5", leave_out=["labels"])
    with h5py.File(path, "a") as file:
        place(other, file)
    for read in (load_events, describe):
        with refusal(DataError, "copy the data into one file", 3):
            read(path)
