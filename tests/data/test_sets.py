"""Folders of spike data: three sets, held-out speakers, sets that differ."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fixtures.shd import write

from delrec_compile.data.events import Events
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.data.sets import Sets, load_sets
from delrec_compile.errors import DataError


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


def test_sets_must_be_alike() -> None:
    def events(n: int, steps: int, keys: tuple[str, ...] | None) -> Events:
        return Events(np.zeros((n, steps, 4), np.uint8), np.zeros(n, np.int64), keys, None, 10.0)

    good = events(2, 5, ("a",))
    with pytest.raises(DataError, match="test set is empty"):
        Sets(good, good, events(0, 5, ("a",)))
    with pytest.raises(DataError, match="valid set has 6 steps of 4 channels"):
        Sets(good, events(2, 6, ("a",)), good)
    with pytest.raises(DataError, match="different class names"):
        Sets(good, events(2, 5, ("b",)), good)
    with pytest.raises(
        DataError, match="test set was not counted by the front end of the train set"
    ):
        Sets(good, good, replace(good, front_end=json.dumps(FrontEnd().to_json())))
