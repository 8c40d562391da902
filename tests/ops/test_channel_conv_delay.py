"""Convolution between channels with axonal delays against its formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.ops import check_forms, grid, history, values
from helpers import refusal

from delrec_compile.errors import NetworkError
from delrec_compile.ops.channel_conv_delay import ChannelConvDelay
from delrec_compile.ops.map_delay import spread

RNG = np.random.default_rng(11)


@pytest.mark.parametrize("line", [history, values])
@pytest.mark.parametrize(("stride", "pad"), [((1, 1), None), ((1, 2), (0, 2))])
def test_on_one_axis_it_is_its_formula(stride: Any, pad: Any, line: Any) -> None:
    c_out, c_in, places, taps = 3, 2, 7, 3
    delay = RNG.integers(0, 5, c_in * places)
    r = ChannelConvDelay(grid(RNG, c_out, c_in, taps), delay, stride=stride, pad=pad)
    hist = line(RNG, 2, r.depth, r.sources)
    want = np.zeros((2, c_out, r.maps.out[2]), np.float32)
    for o, c, x, k in np.ndindex(c_out, c_in, r.maps.out[2], taps):
        at = x * stride[1] + k - r.maps.pad[1]
        if 0 <= at < places:
            j = c * places + at
            want[:, o, x] += r.kernel[o, c, k] * hist[:, delay[j], j]
    check_forms(r, hist, want.reshape(2, -1))
    assert r.parameters == c_out * c_in * taps + c_in * places


def test_on_two_axes_and_in_groups() -> None:
    groups, (height, width) = 2, (4, 3)
    delay = RNG.integers(0, 4, 4 * height * width)
    r = ChannelConvDelay(grid(RNG, 6, 2, 3, 1), delay, height, groups=groups)
    hist = history(RNG, 2, r.depth, r.sources)
    sent = hist[:, delay, np.arange(r.sources)].reshape(2, groups, 2, height, width)
    want = np.zeros((2, 6, height, width), np.float32)
    for o, c, a, y in np.ndindex(6, 2, 3, height):
        if 0 <= y + a - 1 < height:
            want[:, o, y] += r.kernel[o, c, a, 0] * sent[:, o // 3, c, y + a - 1]
    check_forms(r, hist, want.reshape(2, -1))


@pytest.mark.parametrize("line", [history, values])
@pytest.mark.parametrize("dilation", [1, 2])
def test_circular_edges_and_dilated_taps(dilation: int, line: Any) -> None:
    c_out, c_in, places, taps = 3, 2, 7, 3
    delay = RNG.integers(0, 5, c_in * places)
    edges: dict[str, Any] = {"dilation": (1, dilation), "edges": "circular"}
    r = ChannelConvDelay(grid(RNG, c_out, c_in, taps), delay, **edges)
    hist = line(RNG, 2, r.depth, r.sources)
    want = np.zeros((2, c_out, places), np.float32)
    for o, c, x, k in np.ndindex(c_out, c_in, places, taps):
        j = c * places + (x + (k - 1) * dilation) % places
        want[:, o, x] += r.kernel[o, c, k] * hist[:, delay[j], j]
    check_forms(r, hist, want.reshape(2, -1))
    assert r.parameters == c_out * c_in * taps + c_in * places
    own = {"dilation": [1, 2]} if dilation == 2 else {}
    assert r.attributes() == {"height": 1, "groups": 1, "edges": "circular", **own}


def test_dilated_taps_on_two_axes_are_a_kernel_with_zeros_between() -> None:
    kernel, delay = grid(RNG, 4, 1, 2, 3), RNG.integers(0, 4, 2 * 6 * 5)
    r = ChannelConvDelay(kernel, delay, 6, groups=2, dilation=(2, 1))
    wide = ChannelConvDelay(spread(kernel, (2, 1)), delay, 6, groups=2)
    hist = history(RNG, 2, r.depth, r.sources)
    check_forms(r, hist, wide.reference(hist))
    assert r.parameters < wide.parameters


def test_places_of_a_node_that_are_not_those_of_circular_edges_are_refused() -> None:
    r = ChannelConvDelay(grid(RNG, 2, 2, 3), RNG.integers(0, 3, 8), edges="circular")
    kernel, at = r.constants().values()
    with refusal(NetworkError, "'at' has 12 places for 8 neurons", 3):
        ChannelConvDelay.from_node([kernel, np.roll(at, 1)], r.node_attributes(), 8)


def test_without_delays_only_the_kernel_is_counted() -> None:
    r = ChannelConvDelay(grid(RNG, 2, 2, 3), [0] * 8)
    assert (r.name, r.parameters, r.depth) == ("channel_conv", 12, 1)
    assert r.attributes() == {"height": 1, "groups": 1}


@pytest.mark.parametrize(
    ("fields", "message"),
    {
        "kernel": ({"kernel": np.ones((2, 3))}, r"\[C_out, C_in, K\] or \["),
        "rows": ({"delay": [0] * 7}, "7 delays for 2 rows of neurons"),
        "groups": ({"groups": 0}, "groups is 0; an integer from 1"),
        "pad": ({"pad": (0,)}, "two integers are required"),
        "even": ({"kernel": np.ones((2, 2, 2))}, "1 x 2 taps; odd numbers are required, or a pad"),
        "dilation": ({"dilation": (1, 0)}, "strides and dilations must be 1 or more"),
        "dilations": ({"dilation": 2}, "dilation is 2; two integers are required"),
        "edges": ({"edges": "mirror"}, "edges is 'mirror'; allowed: zero, circular"),
        "circular": ({"edges": "circular", "pad": (0, 0)}, "'circular', with a stride, or a pad"),
        "stride": ({"stride": (0, 1)}, "strides and dilations must be 1 or more"),
    }.values(),
)
def test_what_does_not_fit_is_refused(fields: dict[str, Any], message: str) -> None:
    usual: dict[str, Any] = {"kernel": np.ones((2, 2, 3)), "delay": [0] * 8}
    with pytest.raises(NetworkError, match=message):
        ChannelConvDelay(**(usual | fields))
