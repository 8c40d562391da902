"""Products and ranges of the arithmetic of integer neurons."""

from __future__ import annotations

import numpy as np
import pytest

from delrec_compile.ops.integer_arithmetic import Arrays
from delrec_compile.ops.integer_constants import factor
from delrec_compile.ops.integer_leak import LIMIT, ONE


@pytest.mark.parametrize("value", [0.0, 0.3, -0.7, 1.0, 2.5, -9.0])
def test_factors_are_products_of_a_leak_and_a_shift(value: float) -> None:
    number, places = factor(value)
    assert abs(number) <= ONE
    v = np.array([-(2**24), 12345, 2**24 - 1])
    have = Arrays().times(v, number, places)
    np.testing.assert_allclose(have, v * value, atol=2**places * 600)


def test_products_stay_in_their_range() -> None:
    number, places = factor(8.0)
    have = Arrays().times(np.array([LIMIT - 1, -LIMIT]), number, places)
    assert have.tolist() == [LIMIT - 8, -LIMIT]
