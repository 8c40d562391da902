"""Files of counts: every form that is read, and every way a value can be no count."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.shd import write
from helpers import refusal

from delrec_compile.data.arrays import load_samples, to_counts
from delrec_compile.data.events import Events, load_events, save_samples
from delrec_compile.errors import DataError

COUNTS = np.random.default_rng(0).integers(0, 4, (3, 5, 4)).astype(np.uint8)


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


def test_samples_without_labels_survive_too(tmp_path: Path) -> None:
    save_samples(tmp_path / "w.npz", Events(COUNTS, None, None, None, 5.0), compressed=False)
    back = load_samples(tmp_path / "w.npz")
    assert np.array_equal(back.counts, COUNTS)
    assert (back.labels, back.keys, back.dt_ms) == (None, None, 5.0)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int64, np.float16, np.float64])
def test_whole_numbers_of_any_type_are_counts(tmp_path: Path, dtype: Any) -> None:
    values = (COUNTS > 1).astype(dtype)
    np.save(tmp_path / "a.npy", values)
    np.savez(tmp_path / "a.npz", x=values)
    for name in ("a.npy", "a.npz"):
        read = load_samples(tmp_path / name, dt_ms=2.5)
        assert np.array_equal(read.counts, COUNTS > 1)
        assert (read.counts.dtype, read.dt_ms) == (np.uint8, 2.5)


def test_one_sample_needs_no_axis_of_samples(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", COUNTS[0])
    np.savez(tmp_path / "a.npz", COUNTS[0])
    np.savetxt(tmp_path / "a.csv", COUNTS[0], "%d", ",")
    for name in ("a.npy", "a.npz", "a.csv"):
        assert np.array_equal(load_samples(tmp_path / name).counts, COUNTS[:1])


@pytest.mark.parametrize("text", ["mel", "[]", '{"kind": "cochlea", "channels": 0}'])
def test_what_describes_no_front_end_is_refused_before_a_training(
    tmp_path: Path, text: str
) -> None:
    np.savez(tmp_path / "a.npz", counts=COUNTS, front_end=np.array(text))
    with refusal(DataError, r"a\.npz: its 'front_end' describes none", 3):
        load_samples(tmp_path / "a.npz")


def test_a_csv_may_have_a_line_of_names(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "a.csv", COUNTS[0], "%d", ",", header="a,b,c,d", comments="")
    assert np.array_equal(load_samples(tmp_path / "a.csv").counts, COUNTS[:1])


def test_labels_and_names_go_by_either_of_their_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", counts=COUNTS, y=[0, 1, 1], names=np.array(["a", "b"]))
    read = load_samples(tmp_path / "a.npz")
    assert read.known_labels.tolist() == [0, 1, 1]
    assert read.keys == ("a", "b")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "is 0.5, which is no count.*encode the values as spikes"),
        (-1, "is -1, which is no count"),
        (np.nan, "is nan, which is no count"),
        (np.inf, "is inf, which is no count"),
        (256, "is 256, which is no count; whole numbers from 0 to 255"),
    ],
)
@pytest.mark.parametrize("suffix", ["npz", "npy", "csv"])
def test_a_value_that_is_no_count_is_named_by_its_place(
    tmp_path: Path, value: float, text: str, suffix: str
) -> None:
    values = COUNTS[0].astype(float)
    values[3, 2] = value
    path = tmp_path / f"a.{suffix}"
    writers: dict[str, Any] = {"npz": np.savez, "npy": np.save}
    if suffix == "csv":
        np.savetxt(path, values, delimiter=",")
    else:
        writers[suffix](path, values)
    with refusal(DataError, f"sample 0, step 3, input 2 {text}", 3):
        load_samples(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,0\n1\n", "line 2 has 1 values, the lines before 2"),
        ("x,0\n1,1\n", "line 1: 'x,0' is no row of numbers"),
        ("1,0\n1,x\n", "line 2: '1,x' is no row of numbers"),
        ("1,0\n\n1,1\n", "line 2: '' is no row of numbers"),
        ("0,1,2\n1,1,0\n", "line 1 numbers the columns"),
        ("1,2,3\n1,1,0\n", "line 1 numbers the columns"),
        ("1;0\n1;1\n", "line 2: '1;1' is no row of numbers separated by commas"),
        ("", "1 samples of 0 steps"),
        ("a,b\n", "1 samples of 0 steps"),
    ],
)
def test_a_csv_of_another_form_is_told_by_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with refusal(DataError, message, 3):
        load_samples(tmp_path / "a.csv")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    with refusal(DataError, "no text", 3):
        load_samples(tmp_path / "a.csv")


def test_an_archive_that_unpacks_to_far_more_than_counts_do_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("counts.npy", bytes(80 << 20))
    with refusal(DataError, r"would unpack to 83,886,080", 3):
        load_samples(path)


def test_a_header_that_promises_more_than_memory_holds_is_refused(tmp_path: Path) -> None:
    np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.uint8, (4, 4, 4)).flush()
    head = (tmp_path / "a.npy").read_bytes().replace(b"(4, 4, 4)", b"(9999999,)")
    (tmp_path / "a.npy").write_bytes(head)
    with refusal(DataError, "not an intact .npy", 3):
        load_samples(tmp_path / "a.npy")


def test_counts_are_not_copied_when_they_are_bytes_already() -> None:
    assert to_counts("x", COUNTS) is COUNTS


GOOD_SAMPLES: dict[str, Any] = {
    "counts": np.zeros((2, 4, 3), np.uint8),
    "labels": np.zeros(2, np.uint16),
    "dt_ms": np.float64(10),
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"counts": None}, "no array 'counts' or 'x' .*; its arrays are: dt_ms, labels"),
        ({"counts": np.zeros((2, 4, 3), np.complex64)}, "counts are complex64"),
        ({"counts": np.array([["a"]])}, "counts are <U1"),
        ({"counts": np.zeros(4, np.uint8)}, r"counts have shape \[4\]"),
        ({"counts": np.zeros((2, 0, 3), np.uint8)}, "2 samples of 0 steps of 3 inputs"),
        ({"labels": np.zeros(3, np.uint16)}, "2 integers are required"),
        ({"labels": np.zeros(2)}, "labels is float64"),
        ({"dt_ms": np.float64(-1)}, "dt_ms"),
        ({"keys": np.arange(2)}, "one-dimensional array of text"),
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
    np.save(tmp_path / "one.npy", labels, allow_pickle=True)
    with pytest.raises(DataError, match="not an intact"):
        load_samples(tmp_path / "one.npy")


def test_names_of_classes_may_be_bytes(tmp_path: Path) -> None:
    keys = np.array([b"a", "\u00e4".encode()])
    np.savez(tmp_path / "a.npz", counts=COUNTS, keys=keys)
    assert load_samples(tmp_path / "a.npz").keys == ("a", "\u00e4")


def test_an_entry_that_is_no_array_is_not_taken(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", labels=np.arange(2))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("counts", b"no array")
    with refusal(DataError, "labels", 3):
        load_samples(tmp_path / "a.npz")


@pytest.mark.parametrize("order", ["<u4", ">u4"])
@pytest.mark.parametrize("name", ["keys", "front_end"])
def test_text_of_what_are_no_characters_is_refused(name: str, order: str, tmp_path: Path) -> None:
    text = np.array([0x110000, 3], order).view(order.replace("u4", "U2"))
    np.savez(tmp_path / "a.npz", counts=np.ones((1, 2, 3), np.uint8), **{name: text})
    with refusal(DataError, r"is not an intact \.npz file .*ValueError", 3):
        load_samples(tmp_path / "a.npz")
