"""Convolution with delay taps against its formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.ops import check_forms, grid, history, values

from delrec_compile.ops.tap_conv_delay import TapConvDelay

RNG = np.random.default_rng(11)


def test_tap_conv_delay_is_its_formula() -> None:
    channels, width, taps = 3, 5, 3
    r = TapConvDelay(grid(RNG, 2, channels, taps), [1, 4], width)
    hist = history(RNG, 2, r.depth, r.size)
    want = np.zeros((2, channels, width), np.float32)
    maps = hist.reshape(2, r.depth, channels, width)
    for d, delay in enumerate((1, 4)):
        for x in range(width):
            for k in range(taps):
                if 0 <= x + k - 1 < width:
                    want[:, :, x] += r.kernel[d, :, k] * maps[:, delay, :, x + k - 1]
    check_forms(r, hist, want.reshape(2, -1))
    assert r.parameters == 2 * channels * taps + 2


@pytest.mark.parametrize("line", [history, values])
@pytest.mark.parametrize("channels", [(3, 2), (1, 4), (2, 1), (1, 1)])
def test_from_all_channels_to_others(channels: tuple[int, int], line: Any) -> None:
    (c_in, c_out), width, taps = channels, 5, 3
    r = TapConvDelay(grid(RNG, 2, c_out, c_in, taps), [3, 1], width)
    hist = line(RNG, 2, r.depth, r.sources)
    want = np.zeros((2, c_out, width), np.float32)
    sent = hist.reshape(2, r.depth, c_in, width)
    for d, o, c, x, k in np.ndindex(2, c_out, c_in, width, taps):
        if 0 <= x + k - 1 < width:
            want[:, o, x] += r.kernel[d, o, c, k] * sent[:, r.delay[d], c, x + k - 1]
    check_forms(r, hist, want.reshape(2, -1))


def test_a_fractional_delay_is_two_taps() -> None:
    kernel = grid(RNG, 3, 2, 3)
    r = TapConvDelay.interpolated(kernel, np.array([1.25, 3.0, 2.5]), 4)
    assert r.delay.tolist() == [1, 2, 3]
    shares = [0.75 * kernel[0], 0.25 * kernel[0] + 0.5 * kernel[2], kernel[1] + 0.5 * kernel[2]]
    np.testing.assert_array_equal(r.kernel, np.stack(shares))
