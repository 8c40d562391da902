"""Maps without a delay."""

from __future__ import annotations

import numpy as np
import torch

from delrec_compile.ops.feed import Convolution, Dense
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.window import Window


def test_pooling_is_the_mean_of_each_window() -> None:
    x = np.random.default_rng(3).integers(0, 2, (2, 3, 6, 5)).astype(np.float32)
    pool = Convolution.pooling((3, 6, 5), Window((2, 2), (2, 2)), 1 / 4)
    want = torch.nn.functional.avg_pool2d(torch.from_numpy(x), 2).flatten(1).numpy()
    np.testing.assert_array_equal(pool.apply(x.reshape(2, -1)), want)
    assert (pool.name, pool.parameters) == ("pooling", 12)


def test_only_equal_weights_within_a_channel_are_a_pooling() -> None:
    kernel, maps = np.ones((2, 1, 2, 2), np.float32), Maps(2, 4, 4, (2, 1, 2, 2), groups=2)
    assert Convolution(kernel, maps).is_pool
    kernel[1, 0, 1, 1] = 2
    assert Convolution(kernel, maps).name == "convolution"
    assert not Convolution(np.ones((2, 2, 2, 2)), Maps(2, 4, 4, (2, 2, 2, 2))).is_pool


def test_sums_bound_every_current() -> None:
    dense = Dense(np.float32([[1, -2, 0.5], [0, 1, 1]]))
    np.testing.assert_array_equal(dense.sums(), [3.5, 2])
    assert dense.largest_current(2) == 7
    assert dense.reference(np.ones((1, 1, 3), np.float32)).tolist() == [[-0.5, 2]]
