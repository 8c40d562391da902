"""The taps of a convolution by phases: adding them event by event is the convolution."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fixtures.ops import grid

from delrec_compile.ops.map_taps import MapTaps, Run
from delrec_compile.ops.maps import Maps

RNG = np.random.default_rng(3)
SHAPES = [
    Maps(2, 5, 4, (3, 2, 3, 3), pad=(1, 1)),
    Maps(4, 6, 7, (6, 2, 3, 2), stride=(2, 3), pad=(1, 0), groups=2),
    Maps(3, 1, 8, (3, 1, 1, 5), pad=(0, 2), groups=3),
    Maps(2, 9, 9, (4, 2, 5, 4), stride=(2, 2), pad=(2, 1)),
    Maps(1, 7, 8, (2, 1, 1, 2), stride=(3, 3)),
]


def added(t: MapTaps, x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The sums of all events of x, (row, column, channel) with margins, and the outputs among them."""
    m, table = t.maps, t.table(kernel)
    high, wide = m.out[1:]
    sums = np.zeros((high + 2 * t.reach, t.width, m.kernel[0]), np.float32)
    for c, y, x_ in np.argwhere(x.reshape(m.channels, m.height, m.width)):
        count = x.reshape(m.channels, m.height, m.width)[c, y, x_]
        (q, phase), (p, column) = (
            divmod(y + m.pad[0], m.stride[0]),
            divmod(x_ + m.pad[1], m.stride[1]),
        )
        length, group = t.length(phase, column), c // (m.channels // m.groups) * t.each
        own = table[t.start(phase, column) + c * length :][:length]
        at = 0
        for offset, _ in t.rows[phase]:
            for run in t.columns[column]:
                n = len(run.taps) * t.each
                block = own[at : at + n].reshape(len(run.taps), t.each)
                to = p + t.left - run.first
                row = sums[t.reach + q - offset, to : to + len(run.taps)]
                row[:, group : group + t.each] += count * block
                at += n
        assert at == length
    return sums[t.reach : t.reach + high, t.left : t.left + wide].transpose(2, 0, 1).reshape(-1)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("maps", SHAPES, ids=str)
def test_events_add_up_to_the_convolution(maps: Maps, exact: bool) -> None:
    kernel, x = grid(RNG, *maps.kernel), RNG.integers(0, 3, maps.inputs).astype(np.float32)
    m = maps
    image = torch.from_numpy(x).view(1, m.channels, m.height, m.width)
    options = {"stride": m.stride, "padding": m.pad, "groups": m.groups}
    want = torch.nn.functional.conv2d(image, torch.from_numpy(kernel), **options)
    np.testing.assert_array_equal(added(MapTaps(maps, exact), x, kernel), want.flatten().numpy())


def test_only_columns_are_filled_up_and_no_weight_is_repeated() -> None:
    maps = Maps(2, 8, 8, (16, 2, 3, 3), stride=(2, 2), pad=(1, 1))
    kernel = grid(RNG, *maps.kernel)
    assert MapTaps(maps, exact=True).table(kernel).size == kernel.size
    assert MapTaps(maps, exact=False).table(kernel).size == kernel.size * 4 // 3
    assert MapTaps(maps, exact=False).columns == [[Run(1, (2, 0))], [Run(1, (None, 1))]]
