"""Spike files read in a child: the same events, and damaged files that stop nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fixtures.shd import write
from helpers import refusal

from delrec_compile.data.events import load_events
from delrec_compile.data.limited import describe_limited, load_events_limited
from delrec_compile.data.summary import describe
from delrec_compile.errors import DataError
from delrec_compile.system import limited


def test_events_are_those_of_the_reader_itself(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", keys=["a", "b"], speaker=[1, 2, 3])
    options = {"steps": 40, "dt_ms": 5.0, "align_first_spike": True, "lead": 2}
    far, near = load_events_limited(path, **options), load_events(path, **options)
    for name in ("counts", "labels", "speaker"):
        assert np.array_equal(getattr(far, name), getattr(near, name))
    assert (far.keys, far.dt_ms, far.outside) == (near.keys, near.dt_ms, near.outside)
    assert describe_limited(path) == describe(path)


def test_a_missing_file_needs_no_child(tmp_path: Path) -> None:
    with refusal(DataError, "no such file", 3):
        load_events_limited(tmp_path / "a.h5")


def test_a_file_on_which_the_library_loops_for_ever_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zeros over the heap of the spikes: HDF5's reader then never ends, or finds no object."""
    path = write(tmp_path / "a.h5", [(np.arange(600) / 1000, np.arange(600))] * 4, [0] * 4)
    raw = bytearray(path.read_bytes())
    start = raw.index(b"GCOL")
    raw[start + 16 : start + 528] = bytes(512)
    path.write_bytes(raw)
    monkeypatch.setattr(limited, "SECONDS", 3.0)
    with refusal(DataError, r"a\.h5", 3):
        load_events_limited(path)
