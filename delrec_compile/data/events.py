"""Read spike data: SHD/SSC HDF5 files, and small files of binned words.

HDF5 layout (Cramer et al. 2022): `spikes/times` vlen float16 or float32 seconds, `spikes/units`
vlen integers 0..699, `labels`, and optionally `extra/keys` (class names) and `extra/speaker`.
Times are widened to float64 before any arithmetic: float16 overflows at 65504 and its spacing
is a millisecond after the first second. Utterance counts differ between releases, so none is
expected.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from delrec_compile.errors import DataError, UsageError

Counts = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Spikes = tuple[npt.NDArray[np.float64], Ints]  # times in seconds, units

UNITS = 700
CHUNK = 256  # utterances read at once
NEEDED = ("spikes/times", "spikes/units", "labels")
BIN_SLACK = 1e-9  # a time of exactly k*dt belongs to bin k whatever its last bit


@dataclass(frozen=True, eq=False)
class Events:
    """Binned utterances.

    counts: (n, steps, channels) spikes per bin. labels: (n,). keys: class names, or None.
    speaker: (n,) or None. dt_ms: length of a step.
    """

    counts: Counts
    labels: Ints
    keys: tuple[str, ...] | None
    speaker: Ints | None
    dt_ms: float

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def steps(self) -> int:
        return int(self.counts.shape[1])

    @property
    def channels(self) -> int:
        return int(self.counts.shape[2])

    @property
    def classes(self) -> int:
        """Number of classes: of the names if there are any, else up to the largest label."""
        return len(self.keys) if self.keys else int(self.labels.max(initial=-1)) + 1

    def take(self, index: npt.ArrayLike) -> Events:
        """The utterances at `index`, in that order."""
        at = np.asarray(index)
        speaker = None if self.speaker is None else self.speaker[at]
        return Events(self.counts[at], self.labels[at], self.keys, speaker, self.dt_ms)


@dataclass(frozen=True)
class Info:
    """What an HDF5 file holds."""

    path: str
    utterances: int
    classes: int
    keys: tuple[str, ...] | None
    speakers: tuple[int, ...] | None
    spikes_mean: float  # per utterance
    spikes_min: int
    spikes_max: int
    duration_s: float  # latest spike
    unit_min: int | None  # None when there is no spike
    unit_max: int | None
    times_dtype: str
    size_bytes: int


def load_events(
    path: str | Path,
    *,
    dt_ms: float = 10.0,
    steps: int = 100,
    group: int = 5,
    units: int = UNITS,
    align_first_spike: bool = False,
    speakers: set[int] | None = None,
) -> Events:
    """Bin an SHD/SSC file into counts (n, steps, units // group).

    align_first_spike: the first spike of each utterance is at time 0. speakers: keep only these.
    Spikes after the last bin are dropped. Raises UsageError for options that make no sense and
    DataError for everything that is wrong with the file.
    """
    _check_options(dt_ms, steps, group, units)
    path = Path(path)
    with _open(path) as file:
        labels, keys, speaker = _heads(file, path)
        wanted = _wanted(path, speaker, speakers, len(labels))
        counts = np.zeros((len(wanted), steps, units // group), np.uint8)
        row = 0
        for index, (times, unit) in _spikes(file, path, units):
            if row < len(wanted) and wanted[row] == index:
                if align_first_spike and len(times):
                    times = times - times.min()
                counts[row] = _bin(path, index, times, unit // group, dt_ms, counts.shape[1:])
                row += 1
    kept_speaker = None if speaker is None else speaker[wanted]
    return Events(counts, labels[wanted], keys, kept_speaker, float(dt_ms))


def describe(path: str | Path, *, units: int = UNITS) -> Info:
    """Read a whole SHD/SSC file and sum it up. Raises DataError like load_events."""
    path = Path(path)
    sizes, duration, lowest, highest = [], 0.0, units, -1
    with _open(path) as file:
        labels, keys, speaker = _heads(file, path)
        for _, (times, unit) in _spikes(file, path, units):
            sizes.append(len(times))
            if len(times):
                duration = max(duration, float(times.max()))
                lowest, highest = min(lowest, int(unit.min())), max(highest, int(unit.max()))
        dtype = str(np.dtype(_element(file["spikes/times"])))
    return Info(
        path=str(path),
        utterances=len(labels),
        classes=len(keys) if keys else len(np.unique(labels)),
        keys=keys,
        speakers=None if speaker is None else tuple(np.unique(speaker).tolist()),
        spikes_mean=float(np.mean(sizes)) if sizes else 0.0,
        spikes_min=min(sizes, default=0),
        spikes_max=max(sizes, default=0),
        duration_s=duration,
        unit_min=lowest if highest >= 0 else None,
        unit_max=highest if highest >= 0 else None,
        times_dtype=dtype,
        size_bytes=path.stat().st_size,
    )


def save_words(path: str | Path, events: Events) -> None:
    """Write binned words as a compressed .npz; equal events give equal bytes."""
    arrays: dict[str, Any] = {
        "counts": events.counts,
        "labels": events.labels.astype(np.uint16),
        "dt_ms": np.float64(events.dt_ms),
    }
    if events.keys is not None:
        arrays["keys"] = np.array(events.keys)
    if events.speaker is not None:
        arrays["speaker"] = events.speaker.astype(np.uint16)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    Path(path).write_bytes(buffer.getvalue())


def load_words(path: str | Path) -> Events:
    """Read what save_words wrote. DataError for anything else; nothing is unpickled."""
    path = Path(path)
    _check_file(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # zipfile, zlib and numpy each have their own
        raise DataError(
            f"{path} is not a whole .npz of binned words ({type(error).__name__}); "
            "make one with save_words, or give an HDF5 file"
        ) from error
    return _words(path, arrays)


def _words(path: Path, arrays: dict[str, npt.NDArray[Any]]) -> Events:
    missing = [name for name in ("counts", "labels", "dt_ms") if name not in arrays]
    if missing:
        found = ", ".join(sorted(arrays)) or "nothing"
        raise DataError(f"{path} has no array '{missing[0]}'; it holds: {found}")
    counts, labels, dt_ms = arrays["counts"], arrays["labels"], arrays["dt_ms"]
    if counts.dtype != np.uint8 or counts.ndim != 3:
        raise DataError(
            f"{path}: counts are {counts.dtype} of shape {list(counts.shape)}; "
            "uint8 (words, steps, channels) is needed"
        )
    if dt_ms.ndim or dt_ms.dtype.kind not in "fiu" or not 0 < float(dt_ms) < np.inf:
        raise DataError(f"{path}: dt_ms is no positive number")
    if "keys" in arrays and (arrays["keys"].dtype.kind != "U" or arrays["keys"].ndim != 1):
        raise DataError(f"{path}: keys are {arrays['keys'].dtype}; a row of text is needed")
    keys = tuple(arrays["keys"].tolist()) if "keys" in arrays else None
    whole = _whole_numbers(path, "labels", labels, len(counts))
    _check_labels(path, whole, keys)
    speaker = arrays.get("speaker")
    if speaker is not None:
        speaker = _whole_numbers(path, "speaker", speaker, len(counts))
    return Events(counts, whole, keys, speaker, float(dt_ms))


def _check_options(dt_ms: float, steps: int, group: int, units: int) -> None:
    if not 0 < dt_ms < np.inf:
        raise UsageError(f"dt_ms is {dt_ms}; a positive number of milliseconds is needed")
    for name, value in (("steps", steps), ("group", group), ("units", units)):
        if value < 1:
            raise UsageError(f"{name} is {value}; give at least 1")
    if units % group:
        raise UsageError(f"{units} units cannot be summed in groups of {group}; give a divisor")


def _check_file(path: Path) -> None:
    if not path.exists():
        raise DataError(
            f"{path}: no such file; give spike data, or make some with 'delrec-compile data synth'"
        )
    if not path.is_file():
        raise DataError(f"{path} is a folder; name one of the files in it")


def _open(path: Path) -> Any:
    import h5py

    _check_file(path)
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DataError(
            f"{path} is not a whole HDF5 file ({path.stat().st_size} bytes); "
            "unpack it if it is an archive, or download it again"
        ) from error
    missing = [name for name in NEEDED if not isinstance(file.get(name), h5py.Dataset)]
    if missing:
        found: list[str] = []
        file.visit(found.append)
        file.close()
        raise DataError(
            f"{path} has no dataset '{missing[0]}'; needed: {', '.join(NEEDED)}; "
            f"there is: {', '.join(found[:8]) or 'nothing'}"
        )
    return file


def _heads(file: Any, path: Path) -> tuple[Ints, tuple[str, ...] | None, Ints | None]:
    n = len(file["labels"])
    for name in NEEDED[:2]:
        if len(file[name]) != n:
            raise DataError(f"{path}: {n} labels, but {name} has {len(file[name])} utterances")
    labels = _whole_numbers(path, "labels", file["labels"][()], n)
    keys = None
    if "extra/keys" in file:
        raw = file["extra/keys"][()]
        keys = tuple(k.decode("utf-8", "replace") if isinstance(k, bytes) else str(k) for k in raw)
    speaker = None
    if "extra/speaker" in file:
        speaker = _whole_numbers(path, "extra/speaker", file["extra/speaker"][()], n)
    _check_labels(path, labels, keys)
    return labels, keys, speaker


def _whole_numbers(path: Path, name: str, values: npt.NDArray[Any], n: int) -> Ints:
    if values.shape != (n,) or values.dtype.kind not in "iu":
        raise DataError(
            f"{path}: {name} is {values.dtype} of shape {list(values.shape)}; "
            f"{n} whole numbers are needed"
        )
    return values.astype(np.int64)


def _check_labels(path: Path, labels: Ints, keys: tuple[str, ...] | None) -> None:
    limit = len(keys) if keys else np.inf
    bad = np.flatnonzero((labels < 0) | (labels >= limit))
    if len(bad):
        names = f"; there are {len(keys)} class names" if keys else "; labels start at 0"
        raise DataError(f"{path}: utterance {bad[0]} has label {labels[bad[0]]}{names}")


def _wanted(path: Path, speaker: Ints | None, speakers: Iterable[int] | None, n: int) -> Ints:
    if speakers is None:
        return np.arange(n)
    if speaker is None:
        raise DataError(f"{path} has no extra/speaker, so speakers cannot be chosen from it")
    wanted = np.flatnonzero(np.isin(speaker, sorted(speakers)))
    if not len(wanted):
        there = ", ".join(map(str, np.unique(speaker)))
        raise DataError(f"{path} has no speaker {sorted(speakers)}; there are: {there}")
    return wanted


def _element(dataset: Any) -> npt.DTypeLike:
    """Type of the numbers in a vlen (or plain) dataset."""
    import h5py

    base: npt.DTypeLike = h5py.check_vlen_dtype(dataset.dtype) or dataset.dtype
    return base


def _spikes(file: Any, path: Path, units: int) -> Iterator[tuple[int, Spikes]]:
    """Times and units of each utterance in order, checked."""
    kinds = [np.dtype(_element(file[name])).kind for name in NEEDED[:2]]
    if kinds[0] != "f" or kinds[1] not in "iu":
        raise DataError(
            f"{path}: spikes/times must hold floats and spikes/units whole numbers; "
            f"they hold {_element(file['spikes/times'])} and {_element(file['spikes/units'])}"
        )
    for first in range(0, len(file["labels"]), CHUNK):
        span = slice(first, first + CHUNK)
        rows = zip(file["spikes/times"][span], file["spikes/units"][span], strict=True)
        for index, (raw_times, raw_units) in enumerate(rows, start=first):
            times = np.asarray(raw_times).astype(np.float64)
            unit = np.asarray(raw_units).astype(np.int64)
            _check_spikes(path, index, times, unit, units)
            yield index, (times, unit)


def _check_spikes(
    path: Path, index: int, times: npt.NDArray[np.float64], unit: Ints, units: int
) -> None:
    where = f"{path}: utterance {index}"
    if len(times) != len(unit):
        raise DataError(f"{where} has {len(times)} times and {len(unit)} units; equal is needed")
    bad = np.flatnonzero((unit < 0) | (unit >= units))
    if len(bad):
        raise DataError(f"{where} has unit {unit[bad[0]]}; allowed: 0..{units - 1}")
    bad = np.flatnonzero(~(np.isfinite(times) & (times >= 0)))
    if len(bad):
        raise DataError(f"{where} has time {times[bad[0]]}; seconds from 0 are needed")


def _bin(
    path: Path,
    index: int,
    times: npt.NDArray[np.float64],
    channel: Ints,
    dt_ms: float,
    shape: tuple[int, ...],
) -> Counts:
    steps, channels = shape
    step = np.floor(times * (1000.0 / dt_ms) + BIN_SLACK)
    inside = step < steps
    flat = step[inside].astype(np.int64) * channels + channel[inside]
    counts = np.bincount(flat, minlength=steps * channels)
    if counts.max(initial=0) > np.iinfo(np.uint8).max:
        raise DataError(
            f"{path}: utterance {index} has {counts.max()} spikes in one bin; at most 255 fit; "
            "take shorter steps (dt_ms) or a smaller group"
        )
    return counts.astype(np.uint8).reshape(steps, channels)
