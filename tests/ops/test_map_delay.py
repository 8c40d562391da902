"""Recurrences over maps: what they share, on the two that there are."""

from __future__ import annotations

import numpy as np
from fixtures.ops import grid, history
from helpers import refusal

from delrec_compile.errors import NetworkError
from delrec_compile.ops.conv2d_delay import Conv2dDelay
from delrec_compile.ops.map_delay import spread, whole_pair
from delrec_compile.ops.tap_conv_delay import TapConvDelay

RNG = np.random.default_rng(11)


class Integers:
    """A `WeightFormat` of 2^-6."""

    def as_rows(self, values: np.ndarray) -> np.ndarray:
        return values

    def as_accumulators(self, values: np.ndarray) -> np.ndarray:
        return values

    def as_weights(self, values: np.ndarray) -> np.ndarray:
        return (values * 64).astype(np.int16)


def test_its_table_is_one_kernel_after_another_in_the_smallest_type() -> None:
    r = Conv2dDelay(grid(RNG, 3, 2, 2, 3, 3), 4, 5)
    table = r.tables(Integers())["kernel"]
    assert table.dtype == np.int16
    one = r.maps.table(r.kernels[1])
    np.testing.assert_array_equal(table[len(one) : 2 * len(one)], one * 64)
    assert r.gpu_tables(Integers())["kernel"].shape == table.shape


def test_its_line_is_one_history_for_all_lags() -> None:
    r = TapConvDelay(grid(RNG, 2, 3, 3), [1, 6], 5)
    assert (r.line.lags, r.line.size, r.depth) == ((1, 6), 15, 7)
    assert [row.shape for row in r.rows] == [(3, 3), (3, 3)]


def test_the_bound_is_reached_when_every_neuron_spikes_with_the_right_sign() -> None:
    kernel = np.abs(grid(RNG, 2, 1, 1, 3, 3))
    r = Conv2dDelay(kernel, 5, 5)
    current = r.reference(np.ones_like(history(RNG, 1, 2, 25)))
    assert current.max() == r.largest_current()


def test_spread_taps_have_zeros_between() -> None:
    kernel = np.arange(1, 5, dtype=np.float32).reshape(1, 2, 2)
    assert spread(kernel, (1, 1)) is kernel
    assert spread(kernel, (3,))[0].tolist() == [[1, 0, 0, 2], [3, 0, 0, 4]]
    assert spread(kernel, (2, 1))[0].tolist() == [[1, 2], [0, 0], [3, 4]]


def test_two_integers_are_a_pair() -> None:
    assert whole_pair("stride", [2, 1]) == (2, 1)
    for wrong in (2, (1, 1.0), (1,), (True, 1), "11"):
        with refusal(NetworkError, "two integers are required", 3):
            whole_pair("stride", wrong)
