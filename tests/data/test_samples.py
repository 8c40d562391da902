"""Samples by name, in part, in batches, and under their old names."""

from pathlib import Path

import numpy as np
import pytest
from fixtures.shd import write, write_pool
from helpers import refusal

import delrec_compile
from delrec_compile.data import arrays, events, samples
from delrec_compile.data.samples import describe_samples, read_samples
from delrec_compile.data.summary import Info
from delrec_compile.errors import DataError


@pytest.fixture(scope="module")
def bundled() -> events.Events:
    return samples.read_samples("samples")


def test_bundled_samples_go_by_their_old_name_too(bundled: events.Events) -> None:
    assert np.array_equal(samples.read_samples("samples").counts, bundled.counts)


def test_a_name_that_is_a_folder_too_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bundled: events.Events
) -> None:
    monkeypatch.chdir(tmp_path)
    events.save_samples(tmp_path / "samples", bundled.take([3, 1]))
    for read in (samples.read_samples, samples.describe_samples):
        with refusal(DataError, "is both the name of the bundled samples and something here", 3):
            read("samples")
    for spec in ("./samples", tmp_path / "samples", Path("samples")):
        assert np.array_equal(samples.read_samples(spec).counts, bundled.counts[[3, 1]])


@pytest.mark.parametrize("name", ["few.npz", "few"])
def test_a_file_is_read_by_its_suffix(name: str, tmp_path: Path, bundled: events.Events) -> None:
    events.save_samples(tmp_path / name, bundled.take([3, 1]))
    assert np.array_equal(samples.read_samples(tmp_path / name).counts, bundled.counts[[3, 1]])


def test_an_unknown_suffix_names_the_known_ones() -> None:
    with refusal(DataError, r"a.wav: no such file; a file of samples \(.npz, .npy, .csv, .h5", 3):
        samples.read_samples("a.wav")


def test_first_takes_what_there_is(bundled: events.Events) -> None:
    few = bundled.take(range(3))
    assert [len(samples.first(few, n)) for n in (None, 2, 9)] == [3, 2, 3]


def test_batches_cover_every_sample_once(bundled: events.Events) -> None:
    few = bundled.take(range(5))
    slices, inputs = zip(*samples.batches(few, 2), strict=True)
    assert slices == (slice(0, 2), slice(2, 4), slice(4, 5))
    assert [x.dtype for x in inputs] == [np.float32] * 3
    assert np.array_equal(np.concatenate(inputs, axis=1).transpose(1, 0, 2), few.counts)


def test_samples_of_another_width_are_refused(bundled: events.Events) -> None:
    assert samples.fitting(bundled, 140) is bundled
    with refusal(DataError, "the samples have 140 inputs per step, the network takes 12", 3):
        samples.fitting(bundled, 12)


def test_old_names_stay_for_one_version() -> None:
    assert delrec_compile.read_words is delrec_compile.read_samples
    assert arrays.load_words is arrays.load_samples
    assert events.save_words is events.save_samples


def test_bundled_samples_are_a_hundred_five_of_each_class(samples):
    assert len(samples) == 100
    assert np.bincount(samples.labels).tolist() == [5] * 20
    assert samples.counts.shape == (100, 80, 140)


def test_a_folder_stands_for_its_test_set_and_a_pool_for_none(tmp_path: Path) -> None:
    pool = write_pool(tmp_path / "pool")
    with refusal(DataError, "holds a pool, of which every network has heard a part; .* name ", 3):
        read_samples(pool)
    assert len(read_samples(pool / "x_pool.h5", steps=20)) == 10
    info = describe_samples(pool)
    assert isinstance(info, Info)
    assert len(info.parts) == 4
    with refusal(DataError, r"one \*_test\.h5 in it is required \(found: none\)", 3):
        read_samples(tmp_path)
    write(tmp_path / "a_other.h5")
    assert samples.file_of(tmp_path).name == "a_other.h5"
    write(tmp_path / "b_other.h5")
    with refusal(DataError, r"found: a_other\.h5, b_other\.h5", 3):
        read_samples(tmp_path)
    write(tmp_path / "a_test.h5")
    assert samples.file_of(tmp_path).name == "a_test.h5"
