"""HDF5 files of others: read with limits, and nothing outside of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import refusal

from delrec_compile.errors import CheckpointError, CompilerCrash
from delrec_compile.interop import hdf5_entries

h5py: Any = pytest.importorskip("h5py")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "a.h5", "w") as held:
        held["node/a/values"] = np.arange(3)
        held["node/text"] = "word"
    return tmp_path / "a.h5"


def test_groups_are_dicts(path: Path) -> None:
    held = hdf5_entries.checked_entries(path, "node", "graph")
    assert held["text"] == "word"
    assert held["a"]["values"].tolist() == [0, 1, 2]
    assert hdf5_entries.probe(str(path), "node", "graph") == 2


def test_a_file_that_the_library_never_finishes(path: Path, monkeypatch: Any) -> None:
    def hangs(*_: Any, **__: Any) -> Any:
        raise CompilerCrash("took more than 60 s and was stopped")

    monkeypatch.setattr(hdf5_entries.limited.child, "call", hangs)
    with refusal(CheckpointError, "does not come to its end", 3):
        hdf5_entries.checked_entries(path, "node", "graph")


def test_other_files(path: Path, tmp_path: Path) -> None:
    with refusal(CheckpointError, "is not a graph: it has no 'layer', but node", 3):
        hdf5_entries.entries(path, "layer", "graph")
    with refusal(CheckpointError, "no such file", 3):
        hdf5_entries.entries(tmp_path / "b.h5", "layer", "graph")
    (tmp_path / "c.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(90))
    with refusal(CheckpointError, "a damaged HDF5 file of 98 bytes", 3):
        hdf5_entries.entries(tmp_path / "c.h5", "layer", "graph")
    with h5py.File(path, "a") as held:
        for k in range(20):
            held["node" + "/deep" * (k + 1) + "/x"] = 1
    with refusal(CheckpointError, "nested more than 16 deep", 3):
        hdf5_entries.entries(path, "node", "graph")


def test_entries_may_be_as_deep_as_is_allowed(path: Path) -> None:
    with h5py.File(path, "a") as held:
        held["node" + "/deep" * hdf5_entries.MAX_DEPTH + "/x"] = 1
    found: Any = hdf5_entries.entries(path, "node", "graph")
    for _ in range(hdf5_entries.MAX_DEPTH):
        found = found["deep"]
    assert found == {"x": 1}


def test_entries_may_be_as_many_as_is_allowed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5_entries, "MAX_ENTRIES", 3)
    assert len(hdf5_entries.entries(path, "node", "graph")) == 2
    monkeypatch.setattr(hdf5_entries, "MAX_ENTRIES", 2)
    with refusal(CheckpointError, "has more than 2 entries", 3):
        hdf5_entries.entries(path, "node", "graph")


def test_values_that_lie_in_another_file_are_not_read(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(bytes(24))
    with h5py.File(path, "a") as held:
        held.create_dataset("outer/x", (3,), "i8", external=[(str(other), 0, 24)])
        layout = h5py.VirtualLayout((3,), "i8")
        layout[:] = h5py.VirtualSource(str(path), "node/a/values", (3,))
        held.create_group("virtual").create_virtual_dataset("x", layout)
    for name in ("outer", "virtual"):
        with refusal(CheckpointError, f"{name}/x lies in another file; it is not opened", 3):
            hdf5_entries.entries(path, name, "graph")
