"""Convolutions over maps: against their formula, and the table that events add."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from fixtures.ops import grid

from delrec_compile.errors import NetworkError
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.window import Window

RNG = np.random.default_rng(11)
SHAPES = [
    Maps(2, 5, 4, (3, 2, 3, 3), pad=(1, 1)),
    Maps(4, 6, 7, (6, 2, 3, 2), stride=(2, 3), pad=(1, 0), groups=2),
    Maps(3, 1, 8, (3, 1, 1, 5), pad=(0, 2), groups=3),
    Maps(1, 9, 8, (2, 1, 3, 2), pad=(1, 2), dilation=(2, 3)),
    Maps(2, 9, 9, (2, 1, 3, 3), (2, 3), (4, 1), 2, dilation=(3, 2)),
    Maps(1, 5, 6, (2, 1, 2, 4), pad=(0, 1), end=(1, 2)),
    Maps(2, 7, 9, (3, 2, 4, 4), (2, 2), (2, 2), end=(1, -1)),
    Maps(1, 6, 7, (2, 1, 3, 3), pad=(1, 1), peak=Window((2, 2), (2, 2))),
    Maps(2, 7, 6, (2, 1, 2, 3), groups=2, peak=Window((3, 2), (2, 1), (1, 1), (0, 1))),
    Maps(1, 8, 8, (2, 1, 1, 1), end=(-1, 0), peak=Window((2, 3), dilation=(3, 2))),
]


def formula(m: Maps, x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The formula of ops/maps.py for one input, as loops."""
    maps = x.reshape(m.channels, m.height, m.width)
    out = np.zeros(m.sums, np.float32)
    outputs, channels, rows, columns = m.kernel
    ends = [n + min(end, 0) for n, end in zip((m.height, m.width), m.window.ends, strict=True)]
    for o, y, x_, c, a, b in product(*map(range, (*m.sums, channels, rows, columns))):
        row = y * m.stride[0] + a * m.dilation[0] - m.pad[0]
        column = x_ * m.stride[1] + b * m.dilation[1] - m.pad[1]
        if 0 <= row < ends[0] and 0 <= column < ends[1]:
            source = o // (outputs // m.groups) * channels + c
            out[o, y, x_] += kernel[o, c, a, b] * maps[source, row, column]
    return (out if m.peak is None else largest(m, m.peak, out)).reshape(-1)


def largest(m: Maps, peak: Window, sums: np.ndarray) -> np.ndarray:
    """The largest sum of each window, as loops."""
    out = np.full(m.out, -np.inf, np.float32)
    for o, y, x, a, b in product(*map(range, (*m.out, *peak.size))):
        row = y * peak.stride[0] + a * peak.dilation[0] - peak.pad[0]
        column = x * peak.stride[1] + b * peak.dilation[1] - peak.pad[1]
        if 0 <= row < m.sums[1] and 0 <= column < m.sums[2]:
            out[o, y, x] = max(out[o, y, x], sums[o, row, column])
    return out


@pytest.mark.parametrize("maps", SHAPES, ids=str)
def test_maps_are_their_formula_and_equal_torch(maps: Maps) -> None:
    kernel, x = grid(RNG, *maps.kernel), RNG.integers(0, 3, (2, maps.inputs)).astype(np.float32)
    want = np.stack([formula(maps, row, kernel) for row in x])
    np.testing.assert_array_equal(maps.reference(x, kernel), want)
    bias = torch.zeros(maps.kernel[0])
    have = maps.torch_form(torch.from_numpy(x), torch.from_numpy(kernel), bias)
    np.testing.assert_array_equal(have.numpy(), want)
    again = Maps.from_node_attributes(maps.kernel, maps.node_attributes())
    assert again == maps == Maps.of(maps.kernel, **maps.attributes())


@pytest.mark.parametrize("maps", SHAPES, ids=str)
def test_the_table_holds_each_tap_once(maps: Maps) -> None:
    kernel = np.arange(1, np.prod(maps.kernel) + 1).reshape(maps.kernel)
    table = maps.table(kernel)
    assert sorted(table[table > 0].tolist()) == kernel.reshape(-1).tolist()


def test_a_kernel_that_does_not_fit_is_refused() -> None:
    with pytest.raises(NetworkError, match=r"\[O, 1, rows, columns\] is required"):
        Maps(2, 4, 4, (2, 2, 3, 3), groups=2)
    with pytest.raises(NetworkError, match="does not fit maps of"):
        Maps(1, 2, 2, (1, 1, 3, 3))
    with pytest.raises(NetworkError, match="below the kernel's size"):
        Maps(1, 5, 5, (1, 1, 3, 3), pad=(3, 0))
    with pytest.raises(NetworkError, match="above half its windows"):
        Maps(1, 5, 5, (1, 1, 3, 3), peak=Window((3, 3), pad=(2, 0)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Maps(1, 0, 4, (1, 1, 1, 1)), "every size must be 1 or more"),
        (lambda: Maps(1, 4, 4, (1, 1, 1)), r"the kernel \(weight\) has shape \[1, 1, 1\]"),
        (
            lambda: Maps(1, 8, 8, (1, 1, 1, 1), peak=Window((3, 3), pad=(2, 0))),
            "a pad above half its windows",
        ),
        (
            lambda: Maps(1, 8, 8, (1, 1, 1, 1), peak=Window((3, 3), pad=(1, 1), dilation=(2, 2))),
            "with a pad and with a dilation",
        ),
        (lambda: Maps(1, 4, 4, (1, 1, 2, 2)).checked(np.zeros((1, 1, 2, 3))), "weight has shape"),
    ],
)
def test_what_no_convolution_is_gets_refused(make, message):
    with pytest.raises(NetworkError, match=message):
        make()
