"""Entries of a layer: text as HDF5 holds it, numbers in their allowed forms."""

from __future__ import annotations

import numpy as np
from helpers import refusal

from delrec_compile.errors import CheckpointError
from delrec_compile.interop.lava.entries import Entries


def test_words_are_arrays_of_bytes_or_text() -> None:
    own = Entries("layer.0", {"a": np.array([b"dense"]), "b": "CUBA", "c": [1, 2], "g": {}})
    assert (own.text("a"), own.text("b")) == ("dense", "CUBA")
    assert own.part("g").name == "layer.0/g"
    assert "z" not in own
    with refusal(CheckpointError, "layer.0 has no 'z'", 3):
        own.text("z")
    with refusal(CheckpointError, "layer.0/c: one number is required", 3):
        own.number("c", 0)


def test_sizes_of_rows_and_columns() -> None:
    own = Entries("layer.0", {"a": 3, "b": (1, 2), "c": (1, 2, 3), "d": -1})
    assert [own.pair(key, 7) for key in "abz"] == [(3, 3), (1, 2), (7, 7)]
    for key in "cd":
        with refusal(CheckpointError, f"layer.0/{key}: one or two whole numbers", 3):
            own.pair(key, 1)


def test_numbers_of_channels_are_repeated() -> None:
    own = Entries("layer.0", {})
    np.testing.assert_array_equal(own.each("a", np.array([1.0, 2.0]), (2, 1, 2)), [1, 1, 2, 2])
    assert own.each("a", np.array([5.0]), (2, 2)).tolist() == [5]
