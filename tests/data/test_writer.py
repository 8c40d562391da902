"""Files that the writer makes are read back as they were."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from delrec_compile.data.events import load_events
from delrec_compile.data.writer import write_shd


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
