"""A pool of samples whose voices rotate: each part is the test set of one fold.

Fold f of F is tested on the voices of part f, validated on those of part (f + 1) % F, and trained on
the rest, so each voice is tested exactly once, and never by a network that has heard it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from delrec_compile.data.events import Events
from delrec_compile.data.hdf5 import Ints
from delrec_compile.data.limited import load_events_limited, speaker_table_limited
from delrec_compile.data.partition import Sets
from delrec_compile.data.speaker_table import FOLD
from delrec_compile.errors import DataError, UsageError

PATTERN = "*_pool.h5"
REMAKE = "make a pool with 'delrec-compile data synth --folds 5'"


@dataclass(frozen=True, eq=False)
class Folds:
    """A pool, binned once, and its parts."""

    events: Events  # the whole pool
    fold_of: Ints  # (n,) part of each sample
    kinds: tuple[str, ...]  # kind of voice of each speaker number, or ""
    count: int

    def sets(self, fold: int) -> Sets:
        """The three sets of a fold, each in file order. Raises UsageError for one that is not there."""
        if not 0 <= fold < self.count:
            raise UsageError(
                f"fold is {fold}; the pool has the folds 0 to {self.count - 1}: choose one of them"
            )
        test, valid = self.fold_of == fold, self.fold_of == (fold + 1) % self.count
        parts = (~(test | valid), valid, test)
        return Sets(*(self.events.take(np.flatnonzero(part)) for part in parts))


def is_pool(folder: str | Path) -> bool:
    """Whether the folder holds a pool."""
    return any(Path(folder).glob(PATTERN))


def pool_file(folder: str | Path) -> Path:
    """The one file of a pool. Raises DataError where there is none, or another data set beside it."""
    folder = Path(folder)
    pools = sorted(folder.glob(PATTERN))
    if not pools:
        raise DataError(f"{folder} has no {PATTERN}; {REMAKE}")
    sets = sorted(
        path for name in ("train", "valid", "test") for path in folder.glob(f"*_{name}.*")
    )
    if len(pools) > 1 or sets:
        other = (*pools[1:], *sets)[0]
        raise DataError(
            f"{folder} has {pools[0].name} and {other.name}; keep one data set per folder"
        )
    return pools[0]


def load_folds(
    folder: str | Path, *, dt_ms: float = 10.0, steps: int = 80, group: int = 5
) -> Folds:
    """Read the pool of a folder, binned as by `load_events`. Raises DataError, UsageError (options)."""
    path = pool_file(folder)
    table = speaker_table_limited(path)
    if table is None:
        raise DataError(f"{path} has no {FOLD}, which says the part of each speaker; {REMAKE}")
    events = load_events_limited(path, dt_ms=dt_ms, steps=steps, group=group)
    assert events.speaker is not None  # the table was checked against it
    return Folds(events, table.fold_of(events.speaker), table.kinds, table.count)
