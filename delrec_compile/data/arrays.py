"""Files of counts, or of real values, per time step: .npz, .npy and .csv."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from delrec_compile.aliases import F32
from delrec_compile.data.events import Counts, Events
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.data.hdf5 import Ints, check_labels, existing_file, require_ints
from delrec_compile.data.limits import require_no_bomb, require_room
from delrec_compile.errors import DataError

Array = npt.NDArray[Any]
SUFFIXES = (".npz", ".npy", ".csv")
COUNTS, LABELS, NAMES = ("counts", "x", "arr_0"), ("labels", "y"), ("keys", "names")
VALUES = "values"  # of real inputs
LARGEST_COUNT = np.iinfo(np.uint8).max
LARGEST_TEXT = 1 << 26  # bytes of a .csv
ENCODE = (
    "the network takes counts of spikes: import it with --input-bits for real values, or encode the "
    "values as spikes before"
)


def load_samples(path: str | Path, *, dt_ms: float = 10.0, real: bool = False) -> Events:
    """Samples of a .npz, .npy or .csv file; nothing is unpickled.

    dt_ms: where the file states none. real: take any numbers, in place of counts. `counts` (or `x`), or
    `values`, which are real: (samples, steps, inputs) or (steps, inputs). Optional arrays of an .npz:
    `labels`, `keys` (names of the classes), `speaker`, `dt_ms`. Raises DataError.
    """
    path = Path(path)
    existing_file(path)
    taken = to_values if real else to_counts
    if path.suffix == ".csv":
        return Events(taken(path, _read_csv(path)), None, None, None, float(dt_ms))
    if path.suffix == ".npy":
        return Events(taken(path, _read_npy(path)), None, None, None, float(dt_ms))
    return _samples(path, _read_npz(path), dt_ms, real)


load_words = load_samples  # the old name, for one version


def to_counts(path: Path | str, values: Array) -> Counts:
    """`values` as (samples, steps, inputs) uint8. Raises DataError for anything but counts."""
    values = _three_axes(path, values)
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    if values.dtype.kind not in "biuf":
        raise DataError(f"{path}: counts are {values.dtype}; whole numbers are required")
    _require_counts(path, values)
    return values.astype(np.uint8)


def to_values(path: Path | str, values: Array) -> F32:
    """`values` as (samples, steps, inputs) float32. Raises DataError for anything but numbers."""
    values = _three_axes(path, values)
    if values.dtype.kind not in "biuf":
        raise DataError(f"{path}: values are {values.dtype}; numbers are required")
    real = np.ascontiguousarray(values, np.float32)
    if np.isnan(real).any():
        n, step, at = np.unravel_index(int(np.isnan(real).argmax()), real.shape)
        raise DataError(f"{path}: sample {n}, step {step}, input {at} is NaN; numbers are required")
    return real


def _three_axes(path: Path | str, values: Array) -> Array:
    """`values` as (samples, steps, inputs), none of them 0. Raises DataError."""
    if values.ndim not in (2, 3):
        raise DataError(
            f"{path}: counts have shape {list(values.shape)}; (samples, steps, inputs) or "
            "(steps, inputs) is required"
        )
    values = values[None] if values.ndim == 2 else values
    if not values.size:
        n, steps, inputs = values.shape
        raise DataError(
            f"{path} has {n} samples of {steps} steps of {inputs} inputs; at least 1 of each is "
            "required"
        )
    return values


def _require_counts(path: Path | str, values: Array) -> None:
    """Raises DataError for the first value that is no count of 0 to 255, by its place."""
    for n, sample in enumerate(values):
        # NaN fails every comparison
        wrong = ~((sample >= 0) & (sample <= LARGEST_COUNT))
        if values.dtype.kind == "f":
            wrong |= sample != np.floor(np.where(np.isfinite(sample), sample, 0))
        if wrong.any():
            step, at = np.unravel_index(int(np.argmax(wrong)), sample.shape)
            value = sample[step, at].item()
            real = np.isfinite(value) and value != int(value)
            raise DataError(
                f"{path}: sample {n}, step {step}, input {at} is {value:g}, which is no count; whole "
                f"numbers from 0 to {LARGEST_COUNT} are required" + (f"; {ENCODE}" if real else "")
            )


def _read_npz(path: Path) -> dict[str, Array]:
    """The arrays of an .npz, after a look at the sizes that their headers state."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        require_no_bomb(path, unpacked)
        require_room(path, unpacked, "its arrays")
        with np.load(path, allow_pickle=False) as arrays:
            held = {name: arrays[name] for name in arrays.files}
        taken = {name: values for name, values in held.items() if isinstance(values, np.ndarray)}
        for values in taken.values():
            _require_characters(values)
        return taken
    except DataError:
        raise
    except Exception as error:  # zipfile, zlib and numpy each have their own
        raise DataError(
            f"{path} is not an intact .npz file of binned samples ({type(error).__name__}); "
            "make one with save_samples, or pass an HDF5 file"
        ) from error


def _require_characters(values: Array) -> None:
    """Raises ValueError for text of numbers that are no characters: NumPy makes strings of them."""
    if values.dtype.kind == "U" and values.nbytes:
        native = values.astype(values.dtype.newbyteorder("=")).ravel().view(np.uint32)
        if native.max() > sys.maxunicode:
            raise ValueError("text of numbers that are no characters")


def _read_npy(path: Path) -> Array:
    try:
        values: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy has several for damaged headers
        raise DataError(
            f"{path} is not an intact .npy file of numbers ({type(error).__name__}); write one with "
            "numpy.save"
        ) from error
    require_room(path, values.size, "its counts")
    return values


def _read_csv(path: Path) -> Array:
    """(steps, inputs) of a file with one line per step, values separated by commas."""
    size = path.stat().st_size
    if size > LARGEST_TEXT:
        raise DataError(
            f"{path} has {size:,} bytes; a .csv of at most {LARGEST_TEXT:,} is read: use .npy"
        )
    try:
        lines = path.read_text("utf-8-sig").rstrip().splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text; a .csv has one line per step") from error
    first = 1 if lines and not any(map(_row, lines[0].split(","))) else 0  # a line of names
    _refuse_numbered(path, lines)
    rows: list[list[float]] = []
    for number, line in enumerate(lines[first:], first + 1):
        row = _row(line)
        if row is None:
            raise DataError(
                f"{path}, line {number}: '{line[:40]}' is no row of numbers separated by commas"
            )
        if rows and len(row) != len(rows[0]):
            raise DataError(
                f"{path}, line {number} has {len(row)} values, the lines before {len(rows[0])}; each "
                "line is one step with a value for each input"
            )
        rows.append(row)
    return np.array(rows) if rows else np.zeros((0, 0))


def _refuse_numbered(path: Path, lines: list[str]) -> None:
    """Raises DataError where the first line numbers the columns, as table programs write."""
    first = _row(lines[0]) if lines else None
    if first and len(first) > 2 and first in ([*range(len(first))], [*range(1, len(first) + 1)]):
        raise DataError(
            f"{path}, line 1 numbers the columns ({lines[0][:12]}...), which would be read as counts: "
            "leave it out, or write names; if it is a step of such counts, use .npy"
        )


def _row(line: str) -> list[float] | None:
    """The numbers of a line, or None where one is none."""
    try:
        return [float(value) for value in line.split(",")]
    except ValueError:
        return None


def _first(arrays: Mapping[str, Array], names: tuple[str, ...]) -> Array | None:
    return next((arrays[name] for name in names if name in arrays), None)


def _samples(path: Path, arrays: dict[str, Array], dt_ms: float, real: bool) -> Events:
    values = _first(arrays, (VALUES, *COUNTS))
    taken = to_values if real or VALUES in arrays else to_counts
    if values is None:
        present = ", ".join(sorted(arrays)) or "none"
        raise DataError(
            f"{path} has no array '{COUNTS[0]}' or '{COUNTS[1]}' of (samples, steps, inputs); its "
            f"arrays are: {present}"
        )
    counts, labels, keys = taken(path, values), _first(arrays, LABELS), _first(arrays, NAMES)
    if keys is not None and keys.dtype.kind == "S":
        keys = np.char.decode(keys, "utf-8", "replace")
    if keys is not None and (keys.dtype.kind != "U" or keys.ndim != 1):
        raise DataError(
            f"{path}: keys are {keys.dtype}; a one-dimensional array of text is required"
        )
    names = tuple(keys.tolist()) if keys is not None else None
    speaker = arrays.get("speaker")
    return Events(
        counts,
        _labels(path, labels, len(counts), names),
        names,
        None if speaker is None else require_ints(path, "speaker", speaker, len(counts)),
        _dt_ms(path, arrays.get("dt_ms"), dt_ms),
        unread=_unread(arrays),
        front_end=_front_end(path, arrays.get("front_end")),
    )


def _front_end(path: Path, described: Array | None) -> str:
    """The text that describes the front end. Raises DataError for another."""
    if described is None:
        return ""
    try:
        FrontEnd.parse(str(described))
    except DataError as error:
        raise DataError(
            f"{path}: its 'front_end' describes none ({error}); write the file again with "
            "'data synth --with-frontend', or leave that array out"
        ) from error
    return str(described)


def _unread(arrays: Mapping[str, Array]) -> tuple[str, ...]:
    """Names of the arrays that nothing here takes."""
    taken = {"speaker", "dt_ms", "front_end"}
    for names in ((VALUES, *COUNTS), LABELS, NAMES):
        taken |= set([name for name in names if name in arrays][:1])
    return tuple(sorted(set(arrays) - taken))


def _labels(path: Path, labels: Array | None, n: int, names: tuple[str, ...] | None) -> Ints | None:
    if labels is None:
        return None
    checked = require_ints(path, "labels", np.atleast_1d(labels), n)
    check_labels(path, checked, names)
    return checked


def _dt_ms(path: Path, value: Array | None, default: float) -> float:
    if value is None:
        return float(default)
    if value.size != 1 or value.dtype.kind not in "fiu" or not 0 < float(value.item()) < np.inf:
        raise DataError(f"{path}: dt_ms is not a positive number")
    return float(value.item())
