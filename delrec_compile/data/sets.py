"""A folder of spike data as training, validation and test set."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from delrec_compile.data.arrays import load_samples
from delrec_compile.data.events import Events
from delrec_compile.data.folds import REMAKE, is_pool, load_folds, pool_file
from delrec_compile.data.limited import load_events_limited
from delrec_compile.data.partition import Sets
from delrec_compile.errors import DataError, UsageError

HELD_OUT_SPEAKERS = 2
SUFFIXES = (".h5", ".npz")


def load_sets(
    folder: str | Path,
    *,
    dt_ms: float = 10.0,
    steps: int = 80,
    group: int = 5,
    fold: int | None = None,
) -> Sets:
    """Read `*_train.h5`, `*_valid.h5` and `*_test.h5` of a folder; or .npz files, see `load_samples`,
    which are binned already: steps and group are for .h5 files. Or a fold of a `*_pool.h5`, by default
    the first.

    Without a validation file, as in SHD, the two highest-numbered speakers of the training file are
    held out. Raises DataError when a file is missing or matches twice, UsageError for a fold that is
    not there.
    """
    fold = check_sets(folder, fold)
    if fold is not None:
        return load_folds(folder, dt_ms=dt_ms, steps=steps, group=group).sets(fold)
    paths = set_files(folder)
    read = {
        name: load_samples(path, dt_ms=dt_ms)
        if path.suffix == ".npz"
        else load_events_limited(path, dt_ms=dt_ms, steps=steps, group=group)
        for name, path in paths.items()
        if path is not None
    }
    if "valid" not in read:
        read["train"], read["valid"] = _hold_out(read["train"], paths["train"])
    return Sets(**read)


def check_sets(folder: str | Path, fold: int | None = None) -> int | None:
    """The fold of a pool that `load_sets` reads, by default the first; None: of another folder.

    Raises what `load_sets` does for the files of a folder, before any is read.
    """
    if is_pool(folder):
        pool_file(folder)
        return fold or 0
    set_files(folder)
    if fold is not None:
        raise UsageError(
            f"fold is {fold}, but {folder} is no pool of folds; leave it out, or {REMAKE}"
        )
    return None


def set_files(folder: str | Path) -> dict[str, Path | None]:
    """The files of train, valid and test; None: no valid. Raises DataError, as `load_sets`."""
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(
            f"{folder} is not a directory; name one with *_train.h5 and *_test.h5, or .npz files, "
            "or make it with 'delrec-compile data synth'"
        )
    paths = {name: _only(folder, name) for name in ("train", "valid", "test")}
    for name in ("train", "test"):
        if paths[name] is None:
            raise DataError(
                f"{folder} has no *_{name}.h5 or *_{name}.npz; present: "
                f"{', '.join(sorted(path.name for path in folder.iterdir())[:8]) or 'no file'}"
            )
    return paths


def _only(folder: Path, name: str) -> Path | None:
    paths = sorted(path for suffix in SUFFIXES for path in folder.glob(f"*_{name}{suffix}"))
    if len(paths) > 1:
        raise DataError(
            f"{folder} has {paths[0].name} and {paths[1].name}; keep one data set per folder"
        )
    return paths[0] if paths else None


def _hold_out(train: Events, path: Path | None) -> tuple[Events, Events]:
    speaker = np.zeros(len(train), np.int64) if train.speaker is None else train.speaker
    speakers = np.unique(speaker)
    if len(speakers) <= HELD_OUT_SPEAKERS:
        raise DataError(
            f"{path} has {len(speakers)} speakers, too few to hold {HELD_OUT_SPEAKERS} out for "
            "validation; add a *_valid.h5 file"
        )
    held_out = np.isin(speaker, speakers[-HELD_OUT_SPEAKERS:])
    return train.take(np.flatnonzero(~held_out)), train.take(np.flatnonzero(held_out))
