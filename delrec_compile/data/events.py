"""Spike data as counts per time step: from SHD/SSC files, and to and from small files of samples."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from delrec_compile.aliases import F32
from delrec_compile.data.hdf5 import Ints, Spikes, open_shd, read_header, spikes
from delrec_compile.data.limits import require_room
from delrec_compile.errors import DataError, UsageError

Counts = npt.NDArray[np.uint8]

UNITS = 700
GROUP = 5  # units of a channel, where nothing states a width
REMARK_SHARE = 0.01  # share of dropped spikes above which a remark is printed
BIN_SLACK = 1e-9  # a time of exactly k*dt belongs to bin k whatever its last bit


@dataclass(frozen=True, eq=False)
class Events:
    """Binned samples.

    counts: (n, steps, channels) spikes per bin; float32 for real values in their place. labels: (n,), or
    None. keys: class names, or None. speaker: (n,) or None. dt_ms: length of a step. outside: share of
    the spikes of the file that come after the last step and are therefore missing here. unread: arrays
    of the file that are none of these. front_end: JSON of the one that counted them, or empty.
    """

    counts: Counts | F32
    labels: Ints | None
    keys: tuple[str, ...] | None
    speaker: Ints | None
    dt_ms: float
    outside: float = 0.0
    unread: tuple[str, ...] = ()
    front_end: str = ""

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def steps(self) -> int:
        return int(self.counts.shape[1])

    @property
    def channels(self) -> int:
        return int(self.counts.shape[2])

    @property
    def classes(self) -> int:
        """Number of class names, or without names the largest label plus 1."""
        return len(self.keys) if self.keys else int(self.known_labels.max(initial=-1)) + 1

    @property
    def known_labels(self) -> Ints:
        """The labels. Raises DataError where there are none."""
        if self.labels is None:
            raise DataError("the samples have no labels; a class for each sample is required here")
        return self.labels

    @property
    def real(self) -> bool:
        """Whether these are real values, in place of counts."""
        return self.counts.dtype != np.uint8

    @property
    def density(self) -> float:
        """Share of the inputs that are not 0, over all samples and steps."""
        return float((self.counts != 0).mean()) if self.counts.size else 0.0

    def take(self, index: npt.ArrayLike) -> Events:
        """The samples at `index`, in that order."""
        at = np.asarray(index)
        labels = None if self.labels is None else self.labels[at]
        speaker = None if self.speaker is None else self.speaker[at]
        return replace(self, counts=self.counts[at], labels=labels, speaker=speaker)

    def first_of_each_class(self, n: int) -> Events:
        """The first n samples of every class, in file order."""
        firsts = [np.flatnonzero(self.known_labels == label)[:n] for label in range(self.classes)]
        return self.take(np.sort(np.concatenate(firsts)))


def load_events(
    path: str | Path,
    *,
    dt_ms: float = 10.0,
    steps: int | None = 100,
    group: int = 5,
    units: int = UNITS,
    align_first_spike: bool = False,
    lead: int = 0,
    speakers: set[int] | None = None,
) -> Events:
    """Bin an SHD/SSC file into counts (n, steps, units // group).

    steps: None takes as many as the longest utterance needs. align_first_spike: shift each utterance
    so that its first spike is at time 0. lead: empty steps before the first. speakers: read only
    these. Spikes after the last bin are dropped. Raises UsageError for invalid options and DataError
    for an invalid file, or when no spike is left.
    """
    _check_options(dt_ms, 1 if steps is None else steps, group, units)
    path = Path(path)
    with open_shd(path) as file:
        labels, keys, speaker = read_header(file, path)
        wanted = _wanted(path, speaker, speakers, len(labels))
        if steps is None:
            steps = lead + _longest(spikes(file, path, units), dt_ms, align_first_spike)
        require_room(
            path, len(wanted) * steps * (units // group), f"{steps:,} steps of each sample"
        )
        counts = np.zeros((len(wanted), steps, units // group), np.uint8)
        row, span = 0, Span()
        for index, (times, unit) in spikes(file, path, units):
            if row < len(wanted) and wanted[row] == index:
                if align_first_spike and len(times):
                    times = times - times.min()
                times = times + lead * dt_ms / 1000
                span.add(times)
                counts[row] = _bin(path, index, times, unit // group, dt_ms, counts.shape[1:])
                row += 1
    outside = _outside(path, span, int(counts.sum()), steps, dt_ms)
    kept_speaker = None if speaker is None else speaker[wanted]
    return Events(counts, labels[wanted], keys, kept_speaker, float(dt_ms), outside)


def _longest(spikes: Iterable[tuple[int, Spikes]], dt_ms: float, align: bool) -> int:
    """Steps of the longest utterance, at least 1."""
    last = 0
    for _, (times, _unit) in spikes:
        if len(times):
            start = times.min() if align else 0.0
            last = max(last, int(step_of(times - start, dt_ms).max()))
    return last + 1


def save_samples(path: str | Path, events: Events, *, compressed: bool = True) -> None:
    """Write samples as a compressed .npz file, which `--input` and `read_samples` take.

    Equal events give equal bytes.
    """
    arrays: dict[str, Any] = {
        "values" if events.real else "counts": events.counts,
        "dt_ms": np.float64(events.dt_ms),
    }
    if events.labels is not None:
        arrays["labels"] = events.labels.astype(np.uint16)
    if events.keys is not None:
        arrays["keys"] = np.array(events.keys)
    if events.speaker is not None:
        arrays["speaker"] = events.speaker.astype(np.uint16)
    if events.front_end:
        arrays["front_end"] = np.array(events.front_end)
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **arrays)
    Path(path).write_bytes(buffer.getvalue())


save_words = save_samples  # the old name, for one version


def _check_options(dt_ms: float, steps: int, group: int, units: int) -> None:
    if not 0 < dt_ms < np.inf:
        raise UsageError(f"dt_ms is {dt_ms}; a positive number of milliseconds is required")
    for name, value in (("steps", steps), ("group", group), ("units", units)):
        if value < 1:
            raise UsageError(f"{name} is {value}; at least 1 is required")
    if units % group:
        raise UsageError(
            f"{units} units cannot be summed in groups of {group}; use a divisor of {units}"
        )


def _wanted(path: Path, speaker: Ints | None, speakers: Iterable[int] | None, n: int) -> Ints:
    if speakers is None:
        return np.arange(n)
    if speaker is None:
        raise DataError(f"{path} has no extra/speaker, so no speaker can be selected")
    wanted = np.flatnonzero(np.isin(speaker, sorted(speakers)))
    if not len(wanted):
        present = ", ".join(map(str, np.unique(speaker)))
        raise DataError(f"{path} has no speaker {sorted(speakers)}; its speakers are: {present}")
    return wanted


@dataclass
class Span:
    """Number of spikes of a set, and the times of the first and the last in seconds."""

    spikes: int = 0
    first: float = np.inf
    last: float = 0.0

    def add(self, times: npt.NDArray[np.float64]) -> None:
        self.spikes += len(times)
        self.first = min(self.first, float(times.min(initial=np.inf)))
        self.last = max(self.last, float(times.max(initial=0.0)))

    def dropped(self, inside: int) -> float:
        """Share of the spikes that were dropped when `inside` of them were not."""
        return 1 - inside / self.spikes if self.spikes else 0.0


def _outside(path: Path, span: Span, inside: int, steps: int, dt_ms: float) -> float:
    """Share of the spikes after the window. Raises DataError when that is all of them."""
    if span.spikes and not inside:
        raise DataError(
            f"{path}: no spike in the first {steps * dt_ms / 1000:g} s ({steps} steps of "
            f"{dt_ms:g} ms); its {span.spikes:,} lie at {span.first:g} to {span.last:g} s; times "
            "must be in seconds; convert them, or use more steps"
        )
    return span.dropped(inside)


def step_of(times: npt.NDArray[np.float64], dt_ms: float) -> npt.NDArray[np.float64]:
    """Index of the step that each spike falls into."""
    return np.floor(times * (1000.0 / dt_ms) + BIN_SLACK)


def _bin(
    path: Path,
    index: int,
    times: npt.NDArray[np.float64],
    channel: Ints,
    dt_ms: float,
    shape: tuple[int, ...],
) -> Counts:
    steps, channels = shape
    step = step_of(times, dt_ms)
    inside = step < steps
    flat = step[inside].astype(np.int64) * channels + channel[inside]
    counts = np.bincount(flat, minlength=steps * channels)
    if counts.max(initial=0) > np.iinfo(np.uint8).max:
        raise DataError(
            f"{path}: utterance {index} has {counts.max()} spikes in one bin; at most 255 fit; "
            "use shorter steps (dt_ms) or a smaller group"
        )
    return counts.astype(np.uint8).reshape(steps, channels)
