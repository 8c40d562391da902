"""Arrays for compiled code: aligned, checked, passed by address."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import INT16_MAX
from delrec_compile.errors import DataError

MAX_COUNT = INT16_MAX  # kernels multiply 16-bit weights by it


def counts(x: NDArray[Any]) -> NDArray[Any]:
    """x, unchanged. Raises DataError unless every value is a count."""
    if not ((x >= 0) & (x <= MAX_COUNT) & (x == np.rint(x))).all():
        raise DataError(
            f"x contains a value that is not a count; expected integers from 0 to {MAX_COUNT}"
        )
    return x


def pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    """The address of an array's first element."""
    return ctypes.c_void_p(array.ctypes.data)


def aligned(size: int, dtype: Any, to: int = 64) -> NDArray[Any]:
    """Zeros at an address that is a multiple of `to` bytes."""
    item = np.dtype(dtype).itemsize
    raw = np.zeros(size * item + to, np.uint8)
    start = -raw.ctypes.data % to
    return raw[start : start + size * item].view(dtype)
