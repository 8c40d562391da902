"""Integer recurrences against their formulas, and checks of integer arrays."""

from __future__ import annotations

import numpy as np
import pytest

from delrec_compile.errors import NetworkError
from delrec_compile.network.integer.recurrence import (
    IntegerConv,
    IntegerDense,
    product,
    require_int,
    row_sums,
)

RNG = np.random.default_rng(11)


def test_the_conv_current_is_its_formula() -> None:
    heads, taps, n = 2, 3, 5
    kernel = RNG.integers(-9, 10, (heads, taps, n)).astype(np.int16)
    r = IntegerConv(kernel, RNG.integers(0, 4, (heads, n)).astype(np.int32), shift=3)
    hist = RNG.integers(0, 2, (2, r.depth, n))
    want = np.zeros((2, n), np.int64)
    for m in range(heads):
        for i in range(n):
            for k in range(taps):
                j = i + k - 1
                if 0 <= j < n:
                    want[:, i] += int(kernel[m, k, i]) * hist[:, r.line.delay[m, j], j]
    np.testing.assert_array_equal(r.current(r.arriving(hist), 0), want << 3)
    assert (np.abs(want << 3) <= r.bound(0)).all()


def test_the_dense_current_is_its_formula() -> None:
    weight = RNG.integers(-9, 10, (4, 4)).astype(np.int8)
    r = IntegerDense(weight, np.array([0, 2, 1, 0], np.int32))
    hist = RNG.integers(0, 2, (3, r.depth, 4)).astype(np.uint8)
    arriving = np.stack([hist[:, d, j] for j, d in enumerate(r.delay)], axis=1)
    np.testing.assert_array_equal(
        r.current(r.arriving(hist), 5), (arriving @ weight.T.astype(int)) << 5
    )
    np.testing.assert_array_equal(r.bound(5), row_sums(weight) << 5)


def test_products_are_exact() -> None:
    weight = np.full((1, 1000), 32767, np.int16)
    assert product(np.full((1, 1000), 255.0), weight).tolist() == [[255 * 32767 * 1000]]


def test_integers_are_required() -> None:
    require_int("shift", np.int64(3), 0, 30)
    for value, message in ((True, "an integer is required"), (31, "allowed: 0 to 30")):
        with pytest.raises(NetworkError, match=message):
            require_int("shift", value, 0, 30)
