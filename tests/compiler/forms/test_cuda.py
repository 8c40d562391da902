"""The form `cuda`: device code with its weights."""

from __future__ import annotations

from pathlib import Path

import cases
import numpy as np
import pytest
from fixtures.staged import artifact_here

from delrec_compile.errors import ToolchainError
from delrec_compile.system import nvrtc


def test_tables_lie_in_the_weights_where_the_manifest_says(tmp_path: Path) -> None:
    try:
        nvrtc.find()
    except ToolchainError:
        pytest.skip("there is no compiler for CUDA")
    network = cases.network("mixed")
    m = artifact_here(network, "cuda", tmp_path).manifest
    raw = (tmp_path / "lib" / "mixed.weights").read_bytes()
    table = m.to_json()["tables"]["l0_bias"]
    bias = np.frombuffer(raw, table["dtype"], table["elements"], table["offset"])
    np.testing.assert_array_equal(bias[: network.layers[0].size], network.layers[0].bias)
    assert all(kernel in (tmp_path / "lib" / "mixed.ptx").read_text() for kernel in m.kernels)
