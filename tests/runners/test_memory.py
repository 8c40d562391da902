"""Arrays for compiled code: counts, alignment, addresses."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import refusal

from delrec_compile.errors import DataError
from delrec_compile.runners.memory import aligned, counts, pointer


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
