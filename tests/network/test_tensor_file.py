"""Files of arrays: written in full or not at all, and every tensor is taken."""

from __future__ import annotations

from pathlib import Path

import cases
import numpy as np
import pytest

from delrec_compile.errors import CheckpointError
from delrec_compile.network.tensor_file import CHECKSUM, Tensors, network_fields, read, write


def test_a_file_comes_back(tmp_path: Path) -> None:
    arrays = {"a": np.arange(3), "b": np.ones((2, 2), np.float32)}
    path = write(tmp_path / "x.safetensors", "test/1", arrays, {"z": 1, "a": [2]})
    again, meta = read(path, "a file")
    checksum = meta.pop(CHECKSUM)
    assert meta == {"format": "test/1", "config": '{"a": [2], "z": 1}'}
    assert len(checksum) == 64
    for name, value in arrays.items():
        np.testing.assert_array_equal(again[name], value)
    other = write(
        tmp_path / "y.safetensors", "test/1", dict(reversed(arrays.items())), {"a": [2], "z": 1}
    )
    assert other.read_bytes() == path.read_bytes()


def test_every_tensor_is_taken_once() -> None:
    tensors = Tensors({"weight": np.ones(1), "bias": np.zeros(1)})
    assert tensors.take("weight").tolist() == [1]
    with pytest.raises(
        CheckpointError, match=r"no tensor 'bia'; did you mean 'bias'\?; there are: "
    ):
        tensors.take("bia")
    with pytest.raises(CheckpointError, match="missing from the description: bias"):
        tensors.require_empty()
    assert "bias" in tensors
    tensors.take("bias")
    tensors.require_empty()


def test_the_fields_of_a_network_are_json() -> None:
    fields = network_fields(cases.network("mixed"))
    assert fields.keys() == {"dt_ms", "max_input", "labels", "name", "notes"}
