"""Samples to run on: reading them by name, the first ones, and batches for a runner."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.data.arrays import SUFFIXES, load_samples
from delrec_compile.data.events import GROUP, UNITS, Events
from delrec_compile.data.folds import is_pool, pool_file
from delrec_compile.data.limited import describe_limited, load_events_limited
from delrec_compile.data.summary import CountsInfo, Info, describe_counts
from delrec_compile.errors import DataError
from delrec_compile.system.recognise import wrong_file

BATCH = 64

BUNDLED = ("samples", "words")  # the second is the old name
HDF5 = (".h5", ".hdf5")
TEST_SETS = ("*_test.h5", "*_other.h5")  # of a folder, the first that is there
NEEDED = f"a file of samples ({', '.join((*SUFFIXES, *HDF5))}, a *_test.h5 folder, '{BUNDLED[0]}')"


def first(samples: Events, limit: int | None) -> Events:
    """The first samples, or all."""
    return samples if limit is None else samples.take(range(min(limit, len(samples))))


def read_samples(
    spec: Path | str,
    *,
    steps: int | None = None,
    dt_ms: float = 10.0,
    inputs: int | None = None,
    align_first_spike: bool = False,
    lead: int = 0,
    real: bool = False,
) -> Events:
    """Samples to run on: the bundled `samples`, a .npz, .npy or .csv of counts, an SHD/SSC .h5 file,
    or a folder with a *_test.h5, or with the *_other.h5 of another synthesiser.

    real: of a .npz, .npy or .csv, take any numbers in place of counts.

    dt_ms: length of a step, for files that state none; .h5 files are binned at it. Of .h5 files alone:
    steps, by default those of the longest sample; inputs: channels that the 700 units are summed to,
    by default 140; align_first_spike: shift each sample so that its first spike is at time 0; lead:
    empty steps before the first. Raises DataError.
    """
    if _is_bundled(spec):
        return load_samples(bundled_file())
    path = file_of(Path(spec))
    _require_known(path)
    if path.suffix in HDF5:
        group = GROUP if inputs is None else _group(path, inputs)
        reading = {"align_first_spike": align_first_spike, "lead": lead}
        return load_events_limited(path, steps=steps, dt_ms=dt_ms, group=group, **reading)
    return load_samples(path, dt_ms=dt_ms, real=real)


def describe_samples(spec: Path | str) -> Info | CountsInfo:
    """Summary of a file of samples in any form that `read_samples` takes. Raises DataError."""
    if _is_bundled(spec):
        return describe_counts(bundled_file())
    path = Path(spec)
    path = pool_file(path) if is_pool(path) else file_of(path)
    _require_known(path)
    return describe_limited(path) if path.suffix in HDF5 else describe_counts(path)


def _is_bundled(spec: Path | str) -> bool:
    """Raises DataError where the name is that of a file too."""
    if not isinstance(spec, str) or spec not in BUNDLED:
        return False
    if Path(spec).exists():
        raise DataError(
            f"{spec} is both the name of the bundled samples and something here; write ./{spec} for "
            "the latter, and run elsewhere for the former"
        )
    return True


def _require_known(path: Path) -> None:
    """Raises DataError for a file whose name ends in no known way."""
    if path.suffix and path.suffix not in (*SUFFIXES, *HDF5):
        raise DataError(wrong_file(path, NEEDED))


read_words = read_samples  # the old name, for one version


def bundled_file() -> Path:
    """The file of the bundled samples."""
    return Path(str(resources.files("delrec_compile.bundled") / "samples.npz"))


def file_of(path: Path) -> Path:
    """The file itself, or the test set of a folder of spike data. Raises DataError."""
    if not path.is_dir():
        return path
    for pattern in TEST_SETS:
        found = sorted(path.glob(pattern))
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(file.name for file in found)
            raise DataError(
                f"{path} is a directory; one {pattern} in it is required (found: {names}), or name a "
                "file"
            )
    if is_pool(path):
        pool = pool_file(path)
        raise DataError(
            f"{path} holds a pool, of which every network has heard a part; to run on all of it, name "
            f"{pool}"
        )
    raise DataError(
        f"{path} is a directory; one {TEST_SETS[0]} in it is required (found: none), or name a file"
    )


def _group(path: Path, inputs: int) -> int:
    """Units that are summed to one channel."""
    if UNITS % inputs:
        describe_limited(path)  # what is missing or of another kind is refused as that
        raise DataError(
            f"{path} has {UNITS} units, the network takes {inputs} inputs; only a divisor of {UNITS} "
            "can be read from it: bin it yourself and pass an .npz"
        )
    return UNITS // inputs


def batches(samples: Events, size: int = BATCH) -> Iterator[tuple[slice, F32]]:
    """Yields (slice of the samples, x (T, batch, inputs) float32)."""
    for start in range(0, len(samples), size):
        at = slice(start, min(start + size, len(samples)))
        yield at, np.ascontiguousarray(samples.counts[at].transpose(1, 0, 2), np.float32)


def fitting(samples: Events, inputs: int, name: str = "the samples") -> Events:
    """The samples, if they have as many inputs as the network takes. Raises DataError."""
    if samples.channels != inputs:
        have = "have" if name.endswith(" samples") else "has"
        order = "pass samples of that width, or 'random'"
        if inputs in samples.counts.shape[:2]:
            order = "the axes are (samples, steps, inputs), in this order: transpose them"
        raise DataError(
            f"{name} {have} {samples.channels} inputs per step, the network takes {inputs}; {order}"
        )
    return samples
