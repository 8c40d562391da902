"""Reading spike files: every trap of the SHD/SSC layout, and every way a file can be wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers import refusal

from delrec_compile.data.events import Events, describe, load_events, load_samples, save_samples
from delrec_compile.data.sets import Sets, load_sets
from delrec_compile.errors import DataError, UsageError

UTTERANCES = [  # (seconds, units)
    ([0.0, 0.004, 0.0101, 0.5], [0, 4, 5, 699]),
    ([], []),
    ([0.3, 1.2, 1.5], [10, 11, 12]),
]
LABELS = [0, 1, 1]


def write(path: Path, utterances: Any = None, labels: Any = None, **options: Any) -> Path:
    """A file in the SHD layout. Options: times, units (dtypes), keys, speaker, leave_out."""
    utterances = UTTERANCES if utterances is None else utterances
    labels = LABELS if labels is None else labels
    leave_out = options.get("leave_out", ())
    kinds = {"times": options.get("times", np.float16), "units": options.get("units", np.uint16)}
    with h5py.File(path, "w") as file:
        for at, (name, kind) in enumerate(kinds.items()):
            if f"spikes/{name}" not in leave_out:
                rows = file.create_dataset(
                    f"spikes/{name}", (len(utterances),), h5py.vlen_dtype(kind)
                )
                for i, utterance in enumerate(utterances):
                    rows[i] = np.array(utterance[at], kind)
        if "labels" not in leave_out:
            file["labels"] = np.asarray(labels, options.get("label_type", np.uint16))
        if "keys" in options:
            file["extra/keys"] = np.array([key.encode() for key in options["keys"]])
        if "speaker" in options:
            file["extra/speaker"] = np.asarray(options["speaker"], np.uint16)
    return path


@pytest.mark.parametrize("times", [np.float16, np.float32])
@pytest.mark.parametrize("units", [np.uint16, np.int16])
def test_layouts_of_the_published_files_are_read(tmp_path: Path, times: Any, units: Any) -> None:
    path = write(tmp_path / "a.h5", times=times, units=units)
    events = load_events(path, steps=100)
    assert events.counts.dtype == np.uint8
    assert events.counts.shape == (3, 100, 140)
    assert events.labels.tolist() == LABELS
    assert events.keys is None
    assert events.speaker is None
    first = events.counts[0]
    assert first[0, 0] == 2
    assert first[1, 1] == 1
    assert first[50, 139] == 1
    assert first.sum() == 4


def test_an_empty_utterance_is_silence(tmp_path: Path) -> None:
    for align in (False, True):
        events = load_events(write(tmp_path / "a.h5"), align_first_spike=align)
        assert not events.counts[1].any()


def test_spikes_after_the_window_are_dropped(tmp_path: Path) -> None:
    events = load_events(write(tmp_path / "a.h5"), steps=100)
    assert events.counts[2].sum() == 1
    aligned = load_events(write(tmp_path / "a.h5"), steps=100, align_first_spike=True)
    assert aligned.counts[2].sum() == 2  # 0.3 and 1.2 s become 0 and 0.9 s


def test_spikes_after_the_window_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5")
    assert load_events(path, steps=100).outside == pytest.approx(2 / 7)
    assert load_events(path, steps=200).take([0]).outside == 0
    info = describe(path)
    assert (info.window_s, info.outside) == (0.8, pytest.approx(2 / 7))
    assert describe(path, steps=121).outside == pytest.approx(1 / 7)
    assert describe(write(tmp_path / "b.h5", [([], [])], [0])).outside == 0


def test_a_window_without_a_spike_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", [([20.0, 810.0], [1, 2])], [0])
    with refusal(
        DataError,
        r"a\.h5: no spike in the first 1 s \(100 steps of 10 ms\); its 2 lie at 20 to 810 s; "
        "times are in seconds",
        3,
    ):
        load_events(path)
    assert describe(path).outside == 1
    assert load_events(path, align_first_spike=True).outside == 0.5
    assert load_events(write(path, [([], [])], [0])).outside == 0


def test_float16_times_are_widened_before_arithmetic(tmp_path: Path) -> None:
    seconds = np.linspace(0.0, 1.3, 400).astype(np.float16)
    path = write(tmp_path / "a.h5", [(seconds, np.zeros(400, int))], [0])
    events = load_events(path, dt_ms=0.01, steps=140_000, units=700, group=700)
    assert events.counts.sum() == 400
    expected = np.floor(seconds.astype(np.float64) * 1e5 + 1e-9).astype(int)
    assert set(np.flatnonzero(events.counts[0, :, 0])) == set(expected)


def test_a_time_on_a_bin_edge_belongs_to_the_later_bin(tmp_path: Path) -> None:
    edges = np.arange(0, 100) / 100
    path = write(tmp_path / "a.h5", [(edges, np.zeros(100, int))], [0], times=np.float64)
    assert (load_events(path).counts[0, :, 0] == 1).all()


def test_names_and_speakers_are_read_and_speakers_chosen(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", keys=["zero", "fünf"], speaker=[4, 5, 4])
    events = load_events(path, speakers={4})
    assert events.keys == ("zero", "fünf")
    assert events.classes == 2
    assert events.labels.tolist() == [0, 1]
    assert events.speaker is not None
    assert events.speaker.tolist() == [4, 4]
    with pytest.raises(DataError, match=r"no speaker \[9\]; there are: 4, 5"):
        load_events(path, speakers={9})


def test_speakers_cannot_be_chosen_from_a_file_without_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no extra/speaker"):
        load_events(write(tmp_path / "a.h5"), speakers={1})


def test_more_spikes_than_fit_a_bin_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", [(np.zeros(300), np.zeros(300, int))], [0])
    with pytest.raises(DataError, match="300 spikes in one bin; at most 255"):
        load_events(path)


def test_describe_sums_a_file_up(tmp_path: Path) -> None:
    info = describe(write(tmp_path / "a.h5", keys=["a", "b"], speaker=[7, 7, 3]))
    assert (info.utterances, info.classes, info.keys, info.speakers) == (3, 2, ("a", "b"), (3, 7))
    assert (info.spikes_min, info.spikes_max, info.unit_min, info.unit_max) == (0, 4, 0, 699)
    assert info.spikes_mean == pytest.approx(7 / 3)
    assert info.duration_s == 1.5
    assert info.times_dtype == "float16"
    assert info.size_bytes > 0


def test_describe_takes_a_file_without_utterances(tmp_path: Path) -> None:
    info = describe(write(tmp_path / "a.h5", [], []))
    assert (info.utterances, info.unit_min, info.spikes_mean) == (0, None, 0.0)
    assert load_events(tmp_path / "a.h5").counts.shape == (0, 100, 140)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "times missing": ({"leave_out": ["spikes/times"]}, "no dataset 'spikes/times'.*there is:"),
    "labels missing": ({"leave_out": ["labels"]}, "no dataset 'labels'"),
    "too few labels": ({"labels": [0]}, "1 labels, but spikes/times has 3 utterances"),
    "unit too large": (
        {"utterances": [([0.1], [700])], "labels": [0]},
        "unit 700; allowed: 0..699",
    ),
    "unit negative": (
        {"utterances": [([0.1], [-1])], "labels": [0], "units": np.int16},
        "utterance 0 has unit -1",
    ),
    "lengths differ": ({"utterances": [([0.1, 0.2], [1])], "labels": [0]}, "2 times and 1 units"),
    "time negative": ({"utterances": [([-0.5], [1])], "labels": [0]}, r"time -0\.5"),
    "time nan": ({"utterances": [([np.nan], [1])], "labels": [0]}, "time nan"),
    "time infinite": ({"utterances": [([np.inf], [1])], "labels": [0]}, "time inf"),
    "times are integers": ({"times": np.int32}, "floats and whole numbers are needed"),
    "labels are floats": ({"label_type": np.float32}, "labels is float32"),
    "label without a name": ({"keys": ["only"]}, "label 1; there are 1 class names"),
    "label negative": ({"labels": [0, -1, 0], "label_type": np.int16}, "utterance 1 has label -1"),
    "labels are a table": ({"labels": [[0], [1], [1]]}, "labels has shape"),
    "too few speakers": ({"speaker": [1]}, "3 whole numbers are needed"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    options, message = WRONG[case]
    path = write(tmp_path / "a.h5", **options)
    for read in (load_events, describe):
        with pytest.raises(DataError, match=message) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


FOREIGN: dict[str, tuple[str, Any, str]] = {
    "times in one row": ("spikes/times", np.zeros(3, np.float32), "is float32; an array for each"),
    "units in one row": ("spikes/units", np.zeros(3, np.uint16), "is uint16; an array for each"),
    "keys are a group": ("extra/keys", None, "is a group; a dataset of one row is needed, or none"),
    "keys are one text": ("extra/keys", b"ab", r"is of shape \[\]; a dataset of one row"),
    "labels are empty": ("labels", h5py.Empty("u2"), r"has shape \[\]; one row"),
    "speaker is a group": ("extra/speaker", None, "is a group; a dataset of one row"),
    "speaker is one number": ("extra/speaker", 1, r"is of shape \[\]; a dataset of one row"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_other_things_in_the_place_of_a_dataset_are_refused(tmp_path: Path, case: str) -> None:
    name, value, message = FOREIGN[case]
    path = write(tmp_path / "a.h5", leave_out=[name])
    with h5py.File(path, "a") as file:
        if value is None:
            file.create_group(name)
        else:
            file[name] = value
    for read in (load_events, describe):
        with refusal(DataError, f"a\\.h5: {name} {message}", 3):
            read(path)


def test_missing_foreign_and_cut_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_events(tmp_path / "none.h5")
    with pytest.raises(DataError, match="is a folder"):
        load_events(tmp_path)
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(DataError, match="not an intact HDF5 file"):
        load_events(tmp_path / "text.h5")
    raw = write(tmp_path / "a.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(DataError, match="not an intact HDF5 file"):
        load_events(tmp_path / "cut.h5")


@pytest.mark.parametrize(
    "options", [{"dt_ms": 0}, {"dt_ms": float("nan")}, {"steps": 0}, {"group": 0}, {"group": 3}]
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        load_events(write(tmp_path / "a.h5"), **options)


def test_samples_survive_a_round_trip_and_are_reproducible(tmp_path: Path) -> None:
    events = load_events(write(tmp_path / "a.h5", keys=["a", "b"], speaker=[1, 2, 3]))
    save_samples(tmp_path / "w.npz", events)
    back = load_samples(tmp_path / "w.npz")
    assert (back.counts == events.counts).all()
    assert (back.labels == events.labels).all()
    assert back.speaker is not None
    assert back.speaker.tolist() == [1, 2, 3]
    assert (back.keys, back.dt_ms) == (events.keys, events.dt_ms)
    save_samples(tmp_path / "again.npz", events)
    assert (tmp_path / "w.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()


GOOD_SAMPLES: dict[str, Any] = {
    "counts": np.zeros((2, 4, 3), np.uint8),
    "labels": np.zeros(2, np.uint16),
    "dt_ms": np.float64(10),
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"counts": None}, "no array 'counts'; it holds: dt_ms, labels"),
        ({"counts": np.zeros((2, 4, 3), np.float32)}, "counts are float32"),
        ({"counts": np.zeros((2, 4), np.uint8)}, "of shape"),
        ({"labels": np.zeros(3, np.uint16)}, "2 whole numbers are needed"),
        ({"labels": np.zeros(2)}, "labels is float64"),
        ({"dt_ms": np.float64(-1)}, "dt_ms"),
        ({"keys": np.arange(2)}, "row of text"),
        ({"labels": np.array([0, 5]), "keys": np.array(["a", "b"])}, "label 5; there are 2"),
    ],
)
def test_malformed_samples_are_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    arrays = {k: v for k, v in {**GOOD_SAMPLES, **change}.items() if v is not None}
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load_samples(tmp_path / "w.npz")


def test_samples_are_never_unpickled(tmp_path: Path) -> None:
    labels = np.array([{"a": 1}, {}], dtype=object)
    np.savez(tmp_path / "w.npz", **{**GOOD_SAMPLES, "labels": labels})
    with pytest.raises(DataError, match="not an intact"):
        load_samples(tmp_path / "w.npz")
    (tmp_path / "text.npz").write_text("no zip")
    with pytest.raises(DataError, match="not an intact"):
        load_samples(tmp_path / "text.npz")
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(DataError, match="not an intact"):
        load_samples(tmp_path / "one.npy")


def test_the_first_of_each_class_keep_their_order() -> None:
    labels = np.array([2, 0, 0, 1, 2, 0, 2])
    counts = np.arange(7, dtype=np.uint8).reshape(7, 1, 1)
    chosen = Events(counts, labels, None, None, 10.0).first_of_each_class(2)
    assert chosen.counts.ravel().tolist() == [0, 1, 2, 3, 4]
    assert chosen.labels.tolist() == [2, 0, 0, 1, 2]


def test_sets_are_read_from_a_folder(tmp_path: Path) -> None:
    for name in ("train", "valid", "test"):
        write(tmp_path / f"x_{name}.h5")
    sets = load_sets(tmp_path, steps=50)
    assert len(sets.train) == len(sets.valid) == len(sets.test) == 3
    assert sets.train.steps == 50
    assert sets.remark == (
        "spikes after 0.5 s (50 steps of 10 ms) are left out: 42.9% of train, 42.9% of valid, "
        "42.9% of test; take more steps to keep them"
    )
    assert load_sets(tmp_path, steps=151).remark == ""
    assert sets.classes == 2
    write(tmp_path / "y_train.h5")
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
    with pytest.raises(DataError, match="is no folder"):
        load_sets(tmp_path / "none")
    with pytest.raises(DataError, match=r"no \*_train\.h5; there is: nothing"):
        load_sets(tmp_path)


def test_sets_must_be_alike() -> None:
    def events(n: int, steps: int, keys: tuple[str, ...] | None) -> Events:
        return Events(np.zeros((n, steps, 4), np.uint8), np.zeros(n, np.int64), keys, None, 10.0)

    good = events(2, 5, ("a",))
    with pytest.raises(DataError, match="test set has no utterance"):
        Sets(good, good, events(0, 5, ("a",)))
    with pytest.raises(DataError, match="valid set has 6 steps of 4 channels"):
        Sets(good, events(2, 6, ("a",)), good)
    with pytest.raises(DataError, match="other class names"):
        Sets(good, events(2, 5, ("b",)), good)
