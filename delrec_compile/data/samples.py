"""Samples to run on: reading them by name, the first ones, and batches for a runner."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.data.events import Events, load_events, load_words
from delrec_compile.errors import DataError

BATCH = 64

WORDS = "words"


def first(words: Events, limit: int | None) -> Events:
    """The first words, or all."""
    return words if limit is None else words.take(range(min(limit, len(words))))


def read_words(spec: Path | str, *, steps: int = 80, dt_ms: float = 10.0) -> Events:
    """Words to run on: the bundled `words`, a .npz of binned words, or an SHD/SSC .h5 file."""
    if str(spec) == WORDS:
        return load_words(Path(str(resources.files("delrec_compile.bundled") / "words.npz")))
    path = Path(spec)
    if path.suffix in {".h5", ".hdf5"}:
        return load_events(path, steps=steps, dt_ms=dt_ms)
    if path.suffix == ".npz" or not path.suffix:
        return load_words(path)
    raise DataError(f"{path}: unknown kind of file; allowed: .h5, .hdf5, .npz, or '{WORDS}'")


def batches(words: Events, size: int = BATCH) -> Iterator[tuple[slice, F32]]:
    """(which words, x (T, batch, inputs) float32)."""
    for start in range(0, len(words), size):
        at = slice(start, min(start + size, len(words)))
        yield at, np.ascontiguousarray(words.counts[at].transpose(1, 0, 2), np.float32)


def fitting(words: Events, inputs: int) -> Events:
    if words.channels != inputs:
        raise DataError(
            f"the words have {words.channels} channels, the network takes {inputs}; "
            "bin them with the grouping it was trained on"
        )
    return words
