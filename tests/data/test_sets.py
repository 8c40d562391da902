"""Folders of spike data: three sets, held-out speakers, sets that differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fixtures.shd import write, write_pool
from helpers import refusal

from delrec_compile.data.folds import load_folds
from delrec_compile.data.partition import sets_digest
from delrec_compile.data.sets import check_sets, load_sets
from delrec_compile.errors import DataError, UsageError


def test_sets_are_read_from_a_folder(tmp_path: Path) -> None:
    for name in ("train", "valid", "test"):
        write(tmp_path / f"x_{name}.h5")
    sets = load_sets(tmp_path, steps=50)
    assert len(sets.train) == len(sets.valid) == len(sets.test) == 3
    assert sets.train.steps == 50
    assert sets.remark == (
        "spikes after 0.5 s (50 steps of 10 ms) are left out: 42.9% of train, 42.9% of valid, "
        "42.9% of test; use more steps to keep them"
    )
    assert load_sets(tmp_path, steps=151).remark == ""
    assert sets.classes == 2
    write(tmp_path / "y_train.h5")
    with pytest.raises(DataError, match="one data set per folder"):
        load_sets(tmp_path)


def test_sets_of_real_values_are_read_from_npz_files(tmp_path: Path) -> None:
    r = np.random.default_rng(0)
    for name in ("train", "valid", "test"):
        values, labels = r.normal(size=(4, 6, 3)), np.arange(4) % 2
        np.savez(tmp_path / f"imu_{name}.npz", values=values, labels=labels, dt_ms=5.0)
    sets = load_sets(tmp_path)
    assert sets.train.real
    assert sets.valid.counts.shape == (4, 6, 3)
    assert (sets.test.dt_ms, sets.classes) == (5.0, 2)
    write(tmp_path / "x_train.h5")
    with pytest.raises(DataError, match="one data set per folder"):
        load_sets(tmp_path)


def test_without_a_validation_file_speakers_are_held_out(tmp_path: Path) -> None:
    write(tmp_path / "shd_test.h5")
    write(tmp_path / "shd_train.h5")
    with pytest.raises(DataError, match="1 speakers, too few"):
        load_sets(tmp_path)
    write(tmp_path / "shd_train.h5", speaker=[3, 1, 2])
    sets = load_sets(tmp_path)
    assert sets.train.speaker is not None
    assert sets.valid.speaker is not None
    assert sets.train.speaker.tolist() == [1]
    assert sets.valid.speaker.tolist() == [3, 2]


def test_folders_without_sets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a directory"):
        load_sets(tmp_path / "none")
    with pytest.raises(DataError, match=r"no \*_train\.h5 or \*_train\.npz; present: no file"):
        load_sets(tmp_path)


def test_a_fold_of_a_pool_is_three_sets_and_no_other_folder_has_folds(tmp_path: Path) -> None:
    pool = write_pool(tmp_path / "pool")
    assert (check_sets(pool), check_sets(pool, 2)) == (0, 2)
    first = load_sets(pool, steps=20)
    assert sets_digest(first) == sets_digest(load_sets(pool, steps=20, fold=0))
    second = load_sets(pool, steps=20, fold=1)
    assert sets_digest(second) == sets_digest(load_folds(pool, steps=20).sets(1))
    assert sets_digest(second) != sets_digest(first)
    with refusal(UsageError, "fold is 4; the pool has the folds 0 to 3", 2):
        load_sets(pool, fold=4)
    for name in ("train", "valid", "test"):
        write(tmp_path / f"x_{name}.h5")
    with refusal(UsageError, "fold is 0, but .* is no pool of folds; .*data synth --folds 5", 2):
        load_sets(tmp_path, fold=0)
