"""Arrays for compiled code: counts, alignment, addresses."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import refusal

from delrec_compile.errors import DataError
from delrec_compile.runners.memory import aligned, check_values, counts, pointer, values


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.int64])
def test_memory_is_aligned_and_zero(dtype: type) -> None:
    for size in (1, 3, 1000):
        array = aligned(size, dtype)
        assert (array.shape, array.dtype) == ((size,), np.dtype(dtype))
        assert pointer(array).value % 64 == 0
        assert not array.any()


@pytest.mark.parametrize("value", [-1, 0.5, np.nan, np.inf, 1 << 15])
def test_only_counts_are_taken(value: float) -> None:
    x = np.array([0, 1, (1 << 15) - 1], np.float32)
    assert counts(x) is x
    with refusal(DataError, "x contains a value that is not a count; .* from 0 to 32767", 3):
        counts(np.append(x, np.float32(value)))


def test_real_values_are_any_numbers() -> None:
    x = np.float32([[-1.5, np.inf], [0.5, 0]])
    assert values(x, True) is x
    with refusal(DataError, "x contains a value that is not a count", 3):
        values(x, False)
    x[1, 0] = np.nan
    with refusal(DataError, r"x\[1, 0\] is NaN; numbers are required", 3):
        values(x, True)
    with refusal(DataError, "x has the type bool; numbers|x has the type <U1", 3):
        values(np.array(["a"]), True)


def test_a_state_that_no_run_makes_is_refused_by_name() -> None:
    state = {
        "l0_v": np.zeros(33, np.float32),
        "l0_ring": np.array([2**32 - 1, 1, 7, 1], np.uint32),
        "l1_v": np.full(32, -(2**30), np.int32),
        "l1_ring": np.full(4, 2**32 - 1, np.uint32),
        "clock": np.array([2**30 - 1], np.int32),
        "hist": np.full(3, 2**32 - 1, np.uint32),  # any bits are spikes of the past
        "in_ring": np.full(3, 2**32 - 1, np.uint32),  # of no population
    }
    check_values(state)
    for name, at, value, needed in (
        ("l0_ring", 3, 2, "bits of 33 neurons"),
        ("l1_v", 5, 2**31 - 1, "-1073741824 to 1073741824"),
        ("l0_v", 0, -np.inf, "finite numbers"),
        ("clock", 0, -1, "0 to 1073741823"),
        ("clock", 0, 2**30, "0 to 1073741823"),
    ):
        wrong = {k: v.copy() for k, v in state.items()}
        wrong[name][at] = value
        with refusal(DataError, rf"state '{name}'\[{at}\] is .*; {needed}.* required", 3):
            check_values(wrong)
