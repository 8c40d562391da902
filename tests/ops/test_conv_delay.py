"""Conv recurrence against its formula, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.ops import check_forms, grid, history

from delrec_compile.ops.conv_delay import ConvDelay

RNG = np.random.default_rng(11)


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("taps", [1, 3, 5, 9])
def test_conv_delay_is_its_formula(taps: int, heads: int) -> None:
    n, pad = 6, taps // 2
    r = ConvDelay(grid(RNG, heads, taps), RNG.integers(0, 5, (heads, n)))
    kernels, delays = r.kernel.reshape(heads, taps), r.delay.reshape(heads, n)
    hist = history(RNG, 2, r.depth, n)
    want = np.zeros((2, n), np.float32)
    for m in range(heads):
        for i in range(n):
            for k in range(taps):
                j = i + k - pad
                if 0 <= j < n:
                    want[:, i] += kernels[m, k] * hist[:, delays[m, j], j]
    check_forms(r, hist, want)
    assert r.parameters == heads * (taps + n)


def test_without_delays_only_the_kernel_is_counted() -> None:
    r = ConvDelay(grid(RNG, 3), [0] * 6)
    assert (r.name, r.parameters, r.depth) == ("conv", 3, 1)
    assert ConvDelay(grid(RNG, 3), [1] * 6).parameters == 3 + 6


def test_its_delays_are_a_table_of_the_smallest_type() -> None:
    r = ConvDelay([0.5], [0, 255])
    assert r.line.tables()["delay"].dtype == np.uint8
    assert ConvDelay([0.5], [0, 256]).line.tables()["delay"].dtype == np.uint16
