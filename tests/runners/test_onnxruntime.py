"""ONNX Runtime as a runner."""

from __future__ import annotations

from collections.abc import Callable

import cases
import numpy as np
import pytest

from delrec_compile.runners.onnxruntime import OnnxRunner
from delrec_compile.runners.reference import ReferenceRunner


@pytest.mark.parametrize("unroll", [1, 3])
def test_outputs_and_spikes_of_the_reference(
    unroll: int, in_onnx: Callable[..., OnnxRunner]
) -> None:
    """Also where the steps are no multiple of those of one call."""
    x = cases.counts(cases.CASES["mixed"], steps=10)
    want = ReferenceRunner(cases.network("mixed")).trace(x)
    got = in_onnx("mixed", "portable", unroll).trace(x)
    np.testing.assert_array_equal(got.y, want.y)
    assert len(got.spikes) == len(want.spikes)
    for have, wanted in zip(got.spikes, want.spikes, strict=True):
        assert have.dtype == np.uint8
        np.testing.assert_array_equal(have, wanted)
