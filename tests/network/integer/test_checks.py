"""Checks of integer arrays."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from delrec_compile.errors import NetworkError
from delrec_compile.network.integer.checks import (
    WEIGHTS,
    product,
    require_array,
    require_int,
    row_sums,
)


def test_products_are_exact() -> None:
    weight = np.full((1, 1000), 32767, np.int16)
    assert product(np.full((1, 1000), 255.0), weight).tolist() == [[255 * 32767 * 1000]]
    assert row_sums(np.full((1, 3), -128, np.int8)).tolist() == [384]


def test_integers_are_required() -> None:
    require_int("shift", np.int64(3), 0, 30)
    for value, message in ((True, "an integer is required"), (31, "allowed: 0 to 30")):
        with pytest.raises(NetworkError, match=message):
            require_int("shift", value, 0, 30)


def test_arrays_have_a_type_and_a_shape() -> None:
    part = SimpleNamespace(weight=np.ones((2, 3), np.int8))
    require_array(part, "weight", WEIGHTS, (2, None))
    for array, message in (
        (np.ones((2, 3)), "weight is float64; int8 or int16"),
        (np.ones((2, 0), np.int8), r"weight has shape \[2, 0\]; \[2, any\]"),
    ):
        with pytest.raises(NetworkError, match=message):
            require_array(SimpleNamespace(weight=array), "weight", WEIGHTS, (2, None))
