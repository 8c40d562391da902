"""The HDF5 files of the Spiking Heidelberg Digits and Spiking Speech Commands, checked as read.

`spikes/times` vlen float16 or float32 seconds, `spikes/units` vlen integers 0..699, `labels`, and
optionally `extra/keys` (class names) and `extra/speaker` (Cramer et al. 2022). Times are widened
to float64 before any arithmetic: float16 overflows at 65504 and its spacing is a millisecond after
the first second. Utterance counts differ between releases, so none is expected.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from delrec_compile.errors import DataError
from delrec_compile.system import limited

Ints = npt.NDArray[np.int64]
Spikes = tuple[npt.NDArray[np.float64], Ints]  # times in seconds, units

CHUNK = 256  # utterances read at once
NEEDED = ("spikes/times", "spikes/units", "labels")
OPTIONAL = ("extra/keys", "extra/speaker", "extra/meta_info/fold", "extra/meta_info/kind")
LARGEST = 1 << 24  # utterances; the largest published set has some 100,000


def existing_file(path: Path) -> None:
    """Raises DataError when `path` is missing or a directory."""
    if not path.exists():
        raise DataError(
            f"{path}: no such file; name a file of spike data, or make one with "
            "'delrec-compile data synth'"
        )
    if not path.is_file():
        kind = "a directory; name one of the files in it" if path.is_dir() else "no regular file"
        raise DataError(f"{path} is {kind}")


@contextlib.contextmanager
def open_shd(path: Path) -> Iterator[Any]:
    """Yields the h5py file after a check of its required datasets. Raises DataError, for damage that is
    met later too."""
    import h5py

    existing_file(path)
    try:
        with h5py.File(path, "r") as file:
            _check_datasets(file, path)
            yield file
    except (OSError, RuntimeError) as error:  # what h5py raises on damaged or foreign bytes
        raise DataError(_damaged(path)) from error


def require_mark(path: Path) -> None:
    """Raises DataError for a file that is missing or no HDF5, without the library that reads it."""
    existing_file(path)
    if not limited.is_hdf5(path):
        raise DataError(_damaged(path))


def _damaged(path: Path) -> str:
    return (
        f"{path} is not an intact HDF5 file ({path.stat().st_size} bytes); "
        "unpack it if it is an archive, or download it again"
    )


def _check_datasets(file: Any, path: Path) -> None:
    import h5py

    for name in (*NEEDED, *OPTIONAL):
        _require_own_bytes(file, path, name)
    for name in NEEDED:
        dataset = file.get(name)
        if not isinstance(dataset, h5py.Dataset):
            present: list[str] = []
            file.visit(present.append)
            raise DataError(
                f"{path} has no dataset '{name}'; needed: {', '.join(NEEDED)}; "
                f"present: {', '.join(present[:8]) or 'none'}"
            )
        if dataset.ndim != 1:
            raise DataError(
                f"{path}: {name} has shape {list(dataset.shape or ())}; one dimension is required"
            )
        if name != "labels" and h5py.check_vlen_dtype(dataset.dtype) is None:
            raise DataError(
                f"{path}: {name} is {dataset.dtype}; an array for each utterance (vlen) is required"
            )


def _require_own_bytes(file: Any, path: Path, name: str) -> None:
    """Raises DataError for a dataset that lies in another file, or holds more rows than any set."""
    import h5py

    parts = name.split("/")
    for end in range(1, len(parts) + 1):
        part = "/".join(parts[:end])
        if part not in file and not isinstance(file.get(part, getlink=True), h5py.ExternalLink):
            return
        if isinstance(file.get(part, getlink=True), h5py.ExternalLink):
            raise DataError(
                f"{path}: {part} is a link to another file, which is not followed; copy the data "
                "into one file"
            )
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        return
    elsewhere = dataset.file.filename != file.filename  # by a link to a link
    if elsewhere or dataset.is_virtual or dataset.external:
        raise DataError(
            f"{path}: the values of {name} lie in other files, which are not read; copy the data "
            "into one file"
        )
    if dataset.size is not None and dataset.size > LARGEST:
        raise DataError(f"{path}: {name} has {dataset.size:,} values; at most {LARGEST:,} are read")


def read_header(file: Any, path: Path) -> tuple[Ints, tuple[str, ...] | None, Ints | None]:
    """Labels (n,), class names or None, speakers (n,) or None."""
    n = len(file["labels"])
    for name in NEEDED[:2]:
        if len(file[name]) != n:
            raise DataError(f"{path}: {n} labels, but {name} has {len(file[name])} utterances")
    labels = require_ints(path, "labels", file["labels"][()], n)
    keys, speaker = optional(file, path, "extra/keys"), optional(file, path, "extra/speaker")
    if keys is not None:
        keys = tuple(k.decode("utf-8", "replace") if isinstance(k, bytes) else str(k) for k in keys)
    if speaker is not None:
        speaker = require_ints(path, "extra/speaker", speaker, n)
    check_labels(path, labels, keys)
    return labels, keys, speaker


def optional(file: Any, path: Path, name: str) -> Any:
    """Values of an optional dataset (n,), or None. Raises DataError."""
    import h5py

    dataset = file.get(name)
    if dataset is None:
        return None
    if not isinstance(dataset, h5py.Dataset) or dataset.ndim != 1:
        is_dataset = isinstance(dataset, h5py.Dataset)
        kind = f"of shape {list(dataset.shape or ())}" if is_dataset else "a group"
        raise DataError(
            f"{path}: {name} is {kind}; leave it out, or store a one-dimensional dataset"
        )
    return dataset[()]


def require_ints(path: Path, name: str, values: npt.NDArray[Any], n: int) -> Ints:
    """`values` as int64 (n,). Raises DataError for other types and shapes."""
    if values.shape != (n,) or values.dtype.kind not in "iu":
        raise DataError(
            f"{path}: {name} is {values.dtype} of shape {list(values.shape)}; "
            f"{n} integers are required"
        )
    return values.astype(np.int64)


def check_labels(path: Path, labels: Ints, keys: tuple[str, ...] | None) -> None:
    """Raises DataError when a label is negative or has no class name."""
    limit = len(keys) if keys else np.inf
    bad = np.flatnonzero((labels < 0) | (labels >= limit))
    if len(bad):
        names = f"; there are {len(keys)} class names" if keys else "; labels start at 0"
        raise DataError(f"{path}: utterance {bad[0]} has label {labels[bad[0]]}{names}")


def element_type(dataset: Any) -> npt.DTypeLike:
    """Type of the numbers in a vlen (or plain) dataset."""
    import h5py

    base: npt.DTypeLike = h5py.check_vlen_dtype(dataset.dtype) or dataset.dtype
    return base


def spikes(file: Any, path: Path, units: int) -> Iterator[tuple[int, Spikes]]:
    """Yields (index, (times, units)) of each utterance in order, checked. Raises DataError."""
    times_type, units_type = (np.dtype(element_type(file[name])) for name in NEEDED[:2])
    if times_type.kind != "f" or units_type.kind not in "iu":
        raise DataError(
            f"{path}: spikes/times hold {times_type} and spikes/units {units_type}; "
            "floats and integers are required"
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
        raise DataError(
            f"{where} has {len(times)} times and {len(unit)} units; equal numbers are required"
        )
    bad = np.flatnonzero((unit < 0) | (unit >= units))
    if len(bad):
        raise DataError(f"{where} has unit {unit[bad[0]]}; allowed: 0..{units - 1}")
    bad = np.flatnonzero(~(np.isfinite(times) & (times >= 0)))
    if len(bad):
        raise DataError(
            f"{where} has time {times[bad[0]]}; finite seconds, 0 or later, are required"
        )
