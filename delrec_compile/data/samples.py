"""Samples to run on: reading them by name, the first ones, and batches for a runner."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.data.events import Events, load_events, load_samples
from delrec_compile.errors import DataError

BATCH = 64

BUNDLED = ("samples", "words")  # the second is the old name


def first(samples: Events, limit: int | None) -> Events:
    """The first samples, or all."""
    return samples if limit is None else samples.take(range(min(limit, len(samples))))


def read_samples(spec: Path | str, *, steps: int = 80, dt_ms: float = 10.0) -> Events:
    """Samples to run on: the bundled `samples`, a .npz of binned samples, or an SHD/SSC .h5 file."""
    if str(spec) in BUNDLED:
        return load_samples(Path(str(resources.files("delrec_compile.bundled") / "samples.npz")))
    path = Path(spec)
    if path.suffix in {".h5", ".hdf5"}:
        return load_events(path, steps=steps, dt_ms=dt_ms)
    if path.suffix == ".npz" or not path.suffix:
        return load_samples(path)
    raise DataError(f"{path}: unknown kind of file; allowed: .h5, .hdf5, .npz, or '{BUNDLED[0]}'")


read_words = read_samples  # the old name, for one version


def batches(samples: Events, size: int = BATCH) -> Iterator[tuple[slice, F32]]:
    """Yields (slice of the samples, x (T, batch, inputs) float32)."""
    for start in range(0, len(samples), size):
        at = slice(start, min(start + size, len(samples)))
        yield at, np.ascontiguousarray(samples.counts[at].transpose(1, 0, 2), np.float32)


def fitting(samples: Events, inputs: int) -> Events:
    """The samples, if they have as many channels as the network has inputs. Raises DataError."""
    if samples.channels != inputs:
        raise DataError(
            f"the samples have {samples.channels} channels, the network takes {inputs}; "
            "bin them with the grouping it was trained on"
        )
    return samples
