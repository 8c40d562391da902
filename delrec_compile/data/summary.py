"""Summary of a file of samples: its size, classes, speakers, and the spread of its spikes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from delrec_compile.data.arrays import load_samples
from delrec_compile.data.events import GROUP, UNITS, Span, step_of
from delrec_compile.data.hdf5 import element_type, open_shd, read_header, spikes
from delrec_compile.data.speaker_table import Part, read_speaker_table
from delrec_compile.errors import DataError


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
    largest_count: int = 0  # of a step of dt_ms in GROUP units, within the window
    parts: tuple[Part, ...] = ()  # of a pool whose voices rotate

    def lines(self) -> list[str]:
        """The summary in plain text."""
        units = "none" if self.unit_min is None else f"{self.unit_min} to {self.unit_max}"
        return [
            f"{self.path}: {self.utterances:,} samples of spike times ({self.times_dtype}), "
            f"{self.size_bytes:,} bytes",
            *_class_lines(self.classes, self.keys, self.speakers),
            f"spikes per sample: {self.spikes_mean:,.0f} in the mean, {self.spikes_min:,} to "
            f"{self.spikes_max:,}",
            f"units: {units}; last spike at {self.duration_s:g} s",
            *(part.line(number) for number, part in enumerate(self.parts)),
        ]


@dataclass(frozen=True)
class CountsInfo:
    """Summary of samples that are counts per time step.

    density: share of the inputs that are active in a step. classes: 0 without labels. dt_ms: None
    where the file states none.
    """

    path: str
    samples: int
    steps: int
    inputs: int
    dt_ms: float | None
    density: float
    spikes_mean: float  # per sample
    largest_count: float
    classes: int
    keys: tuple[str, ...] | None
    speakers: tuple[int, ...] | None
    size_bytes: int
    real: bool = False  # values in place of counts
    unread: tuple[str, ...] = ()  # arrays that nothing here takes

    def lines(self) -> list[str]:
        """The summary in plain text."""
        step = "length not stated" if self.dt_ms is None else f"of {self.dt_ms:g} ms"
        what = "values" if self.real else "counts"
        return [
            f"{self.path}: {what} of {self.samples:,} samples, {self.steps:,} steps, "
            f"{self.inputs:,} inputs; {self.size_bytes:,} bytes",
            f"step: {step}",
            *_class_lines(self.classes, self.keys, self.speakers),
            f"density: {self.density:.2%} of the inputs are active in a step",
            f"largest size of a value: {self.largest_count:g}"
            if self.real
            else f"spikes per sample: {self.spikes_mean:,.0f} in the mean; largest count "
            f"{self.largest_count}",
            *([f"not read: {', '.join(self.unread)}"] if self.unread else []),
        ]


def describe_counts(path: str | Path) -> CountsInfo:
    """Summary of a .npz, .npy or .csv file. Raises DataError as load_samples does."""
    path = Path(path)
    try:
        events = load_samples(path, dt_ms=math.nan)
    except DataError:
        # real values, if they are numbers
        events = load_samples(path, dt_ms=math.nan, real=True)
    labelled = events.labels is not None
    return CountsInfo(
        path=str(path),
        samples=len(events),
        steps=events.steps,
        inputs=events.channels,
        dt_ms=None if math.isnan(events.dt_ms) else events.dt_ms,
        density=events.density,
        spikes_mean=float(events.counts.sum(dtype=np.float64)) / len(events),
        largest_count=float(np.abs(events.counts).max())
        if events.real
        else int(events.counts.max()),
        real=events.real,
        classes=events.classes if labelled else 0,
        keys=events.keys,
        speakers=None if events.speaker is None else tuple(np.unique(events.speaker).tolist()),
        size_bytes=path.stat().st_size,
        unread=events.unread,
    )


def _class_lines(
    classes: int, keys: tuple[str, ...] | None, speakers: tuple[int, ...] | None
) -> list[str]:
    labels = f"labels: {classes} classes" if classes else "labels: none"
    out = [f"{labels}: {', '.join(keys)}" if keys else labels]
    return [*out, f"speakers: {', '.join(map(str, speakers))}"] if speakers else out


def describe(path: str | Path, *, dt_ms: float = 10.0, steps: int = 80, units: int = UNITS) -> Info:
    """Read a complete SHD/SSC file and summarise it. Raises DataError as load_events does.

    steps, dt_ms: the window of the training that the file is meant for.
    """
    path, span = Path(path), Span()
    sizes: list[int] = []
    inside, lowest, highest, largest = 0, units, -1, 0
    with open_shd(path) as file:
        labels, keys, speaker = read_header(file, path)
        for _, (times, unit) in spikes(file, path, units):
            sizes.append(len(times))
            span.add(times)
            if len(times):
                step = step_of(times, dt_ms)
                inside += int((step < steps).sum())
                bins = np.unique((step * units + unit // GROUP)[step < steps], return_counts=True)
                largest = max(largest, int(bins[1].max(initial=0)))
                lowest, highest = min(lowest, int(unit.min())), max(highest, int(unit.max()))
        dtype = str(np.dtype(element_type(file["spikes/times"])))
        table = read_speaker_table(file, path, speaker)
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
        largest_count=largest,
        parts=() if table is None or speaker is None else table.parts(speaker),
    )
