"""Files that the writer makes are read back as they were."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NoReturn

import h5py
import numpy as np
import pytest
from helpers import refusal

from delrec_compile.data.events import load_events
from delrec_compile.data.writer import write_shd
from delrec_compile.errors import InputError


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    seconds, units = np.array([0.005, 0.015, 0.5]), np.array([0, 4, 699])
    silence = np.zeros(0)
    spikes = [
        (s.astype(np.float16), u.astype(np.uint16))
        for s, u in ((seconds, units), (silence, silence))
    ]
    labels, speakers = np.array([1, 0]), np.array([7, 3])
    write_shd(path, spikes, labels, speakers, ("null", "fünf"), {"seed": 4})
    events = load_events(path)
    assert np.argwhere(events.counts).tolist() == [[0, 0, 0], [0, 1, 0], [0, 50, 139]]
    assert (events.labels.tolist(), events.keys) == ([1, 0], ("null", "fünf"))
    assert events.speaker is not None
    assert events.speaker.tolist() == [7, 3]
    with h5py.File(path) as file:
        assert file.attrs["seed"] == 4
        assert h5py.check_vlen_dtype(file["spikes/times"].dtype) == np.float16


def test_a_full_disk_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    spikes = [(np.zeros(1, np.float16), np.zeros(1, np.uint16))]
    one = np.zeros(1, np.int64)
    with refusal(InputError, "cannot write .*a.h5: No space left on device", 3, tmp_path):
        write_shd(tmp_path / "a.h5", spikes, one, one, ("null",), {})
