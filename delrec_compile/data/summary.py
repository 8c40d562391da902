"""Summary of an SHD/SSC file: its size, classes, speakers, and the spread of its spikes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from delrec_compile.data.events import UNITS, Span, step_of
from delrec_compile.data.hdf5 import element_type, open_shd, read_header, spikes


@dataclass(frozen=True)
class Info:
    """Summary of an SHD/SSC file."""

    path: str
    utterances: int
    classes: int
    keys: tuple[str, ...] | None
    speakers: tuple[int, ...] | None
    spikes_mean: float  # per utterance
    spikes_min: int
    spikes_max: int
    duration_s: float  # latest spike
    window_s: float  # part of an utterance that a training uses, from 0
    outside: float  # share of the spikes after it
    unit_min: int | None  # None when there is no spike
    unit_max: int | None
    times_dtype: str
    size_bytes: int


def describe(path: str | Path, *, dt_ms: float = 10.0, steps: int = 80, units: int = UNITS) -> Info:
    """Read a complete SHD/SSC file and summarise it. Raises DataError as load_events does.

    steps, dt_ms: the window of the training that the file is meant for.
    """
    path, span = Path(path), Span()
    sizes: list[int] = []
    inside, lowest, highest = 0, units, -1
    with open_shd(path) as file:
        labels, keys, speaker = read_header(file, path)
        for _, (times, unit) in spikes(file, path, units):
            sizes.append(len(times))
            span.add(times)
            if len(times):
                inside += int((step_of(times, dt_ms) < steps).sum())
                lowest, highest = min(lowest, int(unit.min())), max(highest, int(unit.max()))
        dtype = str(np.dtype(element_type(file["spikes/times"])))
    return Info(
        path=str(path),
        utterances=len(labels),
        classes=len(keys) if keys else len(np.unique(labels)),
        keys=keys,
        speakers=None if speaker is None else tuple(np.unique(speaker).tolist()),
        spikes_mean=float(np.mean(sizes)) if sizes else 0.0,
        spikes_min=min(sizes, default=0),
        spikes_max=max(sizes, default=0),
        duration_s=span.last,
        window_s=steps * dt_ms / 1000,
        outside=span.dropped(inside),
        unit_min=lowest if highest >= 0 else None,
        unit_max=highest if highest >= 0 else None,
        times_dtype=dtype,
        size_bytes=path.stat().st_size,
    )
