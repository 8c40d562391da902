"""Conv recurrence over maps of two axes against its formula."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.ops import check_forms, grid, history

from delrec_compile.errors import NetworkError
from delrec_compile.ops.conv2d_delay import Conv2dDelay

RNG = np.random.default_rng(11)


def test_conv2d_delay_is_its_formula() -> None:
    depth, channels, height, width = 3, 2, 4, 3
    r = Conv2dDelay(grid(RNG, depth, channels, channels, 3, 3), height, width)
    hist = history(RNG, 2, depth, r.size)
    maps = hist.reshape(2, depth, channels, height, width)
    want = np.zeros((2, channels, height, width), np.float32)
    for d, o, c, a, b, y, x in np.ndindex(depth, channels, channels, 3, 3, height, width):
        if 0 <= y + a - 1 < height and 0 <= x + b - 1 < width:
            want[:, o, y, x] += r.kernel[d, o, c, a, b] * maps[:, d, c, y + a - 1, x + b - 1]
    check_forms(r, hist, want.reshape(2, -1))
    assert r.parameters == depth * channels * channels * 9


def test_kernels_between_other_channels_are_refused() -> None:
    with pytest.raises(NetworkError, match=r"kernel has shape .*; \[D, C, C, k, k\] is required"):
        Conv2dDelay(np.ones((1, 2, 3, 3, 3)), 4, 4)
    with pytest.raises(NetworkError, match="height is 0; an integer from 1"):
        Conv2dDelay(np.ones((1, 2, 2, 3, 3)), 0, 4)
