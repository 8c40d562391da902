"""The ONNX functions of maps compute their reference in ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.ops import grid, in_onnx_runtime

from delrec_compile.ops.maps import Maps
from delrec_compile.ops.maps_onnx import KINDS, ONNX
from delrec_compile.ops.window import Window

SHAPES = {
    "Maps": Maps(2, 5, 4, (4, 1, 3, 2), (2, 1), (1, 0), 2, end=(0, 1)),
    "DilatedMaps": Maps(1, 9, 8, (2, 1, 3, 2), pad=(1, 2), dilation=(2, 3)),
    "CroppedMaps": Maps(2, 7, 9, (3, 2, 4, 4), (2, 2), (2, 2), end=(1, -1)),
    "PeakMaps": Maps(1, 6, 7, (2, 1, 3, 3), peak=Window((3, 2), (2, 1), (1, 1), (0, 1))),
    "CroppedPeakMaps": Maps(1, 8, 8, (2, 1, 1, 1), end=(-2, 0), peak=Window((2, 2), (2, 2))),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_node_computes_the_reference(kind: str) -> None:
    maps, r = SHAPES[kind], np.random.default_rng(5)
    assert maps.node == kind
    x = r.integers(0, 3, (2, maps.inputs)).astype(np.float32)
    kernel, bias = grid(r, *maps.kernel), grid(r, maps.kernel[0])
    constants = {"kernel": kernel, "bias": bias}
    functions = [ONNX[KINDS.index(kind)]]
    have = in_onnx_runtime(
        kind, ("x", x), constants, maps.size, functions, **maps.node_attributes()
    )
    biases = np.repeat(bias, maps.size // len(bias))
    np.testing.assert_array_equal(have, maps.reference(x, kernel) + biases)
    assert np.abs(have).max() > 0
