"""Pools whose voices rotate: each voice is tested once, by a network that has not heard it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fixtures.shd import POOL_FOLDS, POOL_KINDS, write, write_pool
from helpers import refusal

from delrec_compile.data.events import load_events
from delrec_compile.data.folds import is_pool, load_folds
from delrec_compile.errors import DataError, UsageError


def test_every_voice_is_tested_once_and_never_heard_before(tmp_path: Path) -> None:
    folder = write_pool(tmp_path / "pool")
    assert is_pool(folder)
    assert not is_pool(tmp_path)
    folds = load_folds(folder, steps=20, group=7)
    whole = load_events(folder / "x_pool.h5", steps=20, group=7)
    assert np.array_equal(folds.events.counts, whole.counts)
    assert folds.fold_of.tolist() == [part for part in POOL_FOLDS for _ in range(2)]
    assert (folds.kinds, folds.count) == (tuple(POOL_KINDS), 4)
    tested = []
    for fold in range(folds.count):
        sets = folds.sets(fold)
        test, valid, train = (
            set(e.speaker.tolist()) if e.speaker is not None else set()
            for e in (sets.test, sets.valid, sets.train)
        )
        assert test == {s for s, part in enumerate(POOL_FOLDS) if part == fold}
        assert valid == {s for s, part in enumerate(POOL_FOLDS) if part == (fold + 1) % 4}
        assert train == set(range(5)) - test - valid
        assert len(sets.train) + len(sets.valid) + len(sets.test) == 10
        tested += sorted(test)
    assert sorted(tested) == [0, 1, 2, 3, 4]


def test_a_fold_that_is_not_there_is_refused(tmp_path: Path) -> None:
    folds = load_folds(write_pool(tmp_path / "pool"))
    for fold in (-1, 4):
        with refusal(UsageError, f"fold is {fold}; the pool has the folds 0 to 3", 2):
            folds.sets(fold)


def test_a_folder_with_more_than_one_data_set_or_none_is_refused(tmp_path: Path) -> None:
    with refusal(DataError, r"no \*_pool\.h5; make a pool with .*--folds", 3):
        load_folds(tmp_path)
    folder = write_pool(tmp_path / "pool")
    write(folder / "x_test.h5")
    with refusal(DataError, r"x_pool\.h5 and x_test\.h5; keep one data set per folder", 3):
        load_folds(folder)
    (folder / "x_test.h5").rename(folder / "y_pool.h5")
    with refusal(DataError, r"x_pool\.h5 and y_pool\.h5", 3):
        load_folds(folder)


def test_a_pool_without_parts_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a_pool.h5", speaker=[0, 1, 2])
    with refusal(DataError, r"no extra/meta_info/fold.*; make a pool", 3):
        load_folds(tmp_path)
