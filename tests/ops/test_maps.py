"""Convolutions over maps: against their formula, and the table that events add."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from fixtures.ops import grid

from delrec_compile.errors import NetworkError
from delrec_compile.ops.maps import Maps

RNG = np.random.default_rng(11)
SHAPES = [
    Maps(2, 5, 4, (3, 2, 3, 3), pad=(1, 1)),
    Maps(4, 6, 7, (6, 2, 3, 2), stride=(2, 3), pad=(1, 0), groups=2),
    Maps(3, 1, 8, (3, 1, 1, 5), pad=(0, 2), groups=3),
]


def formula(m: Maps, x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The formula of ops/maps.py for one input, as loops."""
    maps = x.reshape(m.channels, m.height, m.width)
    out = np.zeros(m.out, np.float32)
    outputs, channels, rows, columns = m.kernel
    for o, y, x_, c, a, b in product(*map(range, (*m.out, channels, rows, columns))):
        row, column = y * m.stride[0] + a - m.pad[0], x_ * m.stride[1] + b - m.pad[1]
        if 0 <= row < m.height and 0 <= column < m.width:
            source = o // (outputs // m.groups) * channels + c
            out[o, y, x_] += kernel[o, c, a, b] * maps[source, row, column]
    return out.reshape(-1)


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
