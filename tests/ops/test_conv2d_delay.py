"""Convolution over maps of two axes with taps against its formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.ops import check_forms, grid, history, values

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


@pytest.mark.parametrize("line", [history, values])
@pytest.mark.parametrize(("stride", "pad"), [((1, 1), None), ((2, 1), (1, 0)), ((2, 3), None)])
def test_from_all_channels_to_others(stride: Any, pad: Any, line: Any) -> None:
    depth, c_out, c_in, (height, width), taps = 2, 3, 2, (5, 6), (3, 5)
    r = Conv2dDelay(grid(RNG, depth, c_out, c_in, *taps), height, width, stride, pad)
    hist = line(RNG, 2, depth, r.sources)
    top, left = pad or (1, 2)
    sent = np.pad(
        hist.reshape(2, depth, c_in, height, width), ((0, 0),) * 3 + ((top,) * 2, (left,) * 2)
    )
    want = np.zeros((2, *r.maps.out), np.float32)
    for d, o, c, a, b, y, x in np.ndindex(depth, c_out, c_in, *taps, *r.maps.out[1:]):
        want[:, o, y, x] += (
            r.kernel[d, o, c, a, b] * sent[:, d, c, y * stride[0] + a, x * stride[1] + b]
        )
    check_forms(r, hist, want.reshape(2, -1))


def test_one_tap_is_a_convolution() -> None:
    r = Conv2dDelay(grid(RNG, 1, 2, 1, 1, 1), 2, 2)
    hist = history(RNG, 2, 1, 4)
    check_forms(r, hist, np.concatenate([hist[:, 0] * k for k in r.kernel.reshape(-1)], axis=1))


def test_a_usual_kernel_has_no_more_attributes_than_its_maps() -> None:
    assert Conv2dDelay(np.ones((1, 2, 2, 3, 3)), 4, 4).attributes() == {"height": 4, "width": 4}


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(NetworkError, match=r"\[D, C_out, C_in, k, k\] is required"):
        Conv2dDelay(np.ones((1, 2, 3, 3)), 4, 4)
    with pytest.raises(NetworkError, match="height is 0; an integer from 1"):
        Conv2dDelay(np.ones((1, 2, 2, 3, 3)), 0, 4)
    with pytest.raises(NetworkError, match="2 x 2 taps; odd numbers are required, or a pad"):
        Conv2dDelay(np.ones((1, 2, 2, 2, 2)), 4, 4)
    with pytest.raises(NetworkError, match="stride is 2; two integers are required"):
        Conv2dDelay(np.ones((1, 2, 2, 3, 3)), 4, 4, 2)
    with pytest.raises(NetworkError, match="does not fit maps"):
        Conv2dDelay(np.ones((1, 2, 2, 6, 6)), 4, 4, (1, 1), (0, 0))
