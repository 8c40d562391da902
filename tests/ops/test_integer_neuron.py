"""Constants of integer neurons, and the arithmetic of their steps."""

from __future__ import annotations

import numpy as np
import pytest

from delrec_compile.ops.integer_leak import LIMIT, ONE
from delrec_compile.ops.integer_neuron import (
    LASTING,
    Arrays,
    factor,
    level_of,
    one_of,
    share,
    steps_of,
    whole,
)
from delrec_compile.ops.registry import INTEGER_NEURONS, NEURONS


def test_every_neuron_model_has_an_integer_form() -> None:
    assert INTEGER_NEURONS.keys() == NEURONS.keys()


def test_shares_and_how_long_they_last() -> None:
    assert share(0.75) == 3 * ONE // 4
    assert share(np.array([0.0, 1.0])).tolist() == [0, ONE]
    assert steps_of(share(0.75)) == 4
    assert steps_of(share(0.75), share(0.5)) == 8
    assert steps_of(ONE) == LASTING


def test_levels_are_the_first_that_fire() -> None:
    unit = np.array([0.25, 0.3])
    assert level_of(1.0, "at", unit).tolist() == [4, 4]
    assert level_of(1.0, "above", unit).tolist() == [5, 4]
    assert whole(1.0, unit).tolist() == [4, 3]
    assert one_of(np.array([3, 3], np.int32)) == 3


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
