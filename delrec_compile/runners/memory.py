"""Arrays as compiled code takes them: aligned, checked, by address."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.errors import DataError

MOST = (1 << 15) - 1  # what kernels multiply 16-bit weights by


def counts(x: NDArray[Any]) -> NDArray[Any]:
    """x, when all of it are counts. Raises DataError."""
    if not ((x >= 0) & (x <= MOST) & (x == np.rint(x))).all():
        raise DataError(
            f"x holds a value that is no count; whole numbers from 0 to {MOST} are needed"
        )
    return x


def pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def aligned(size: int, dtype: Any, to: int = 64) -> NDArray[Any]:
    """Zeros at an address that is a multiple of `to` bytes."""
    item = np.dtype(dtype).itemsize
    raw = np.zeros(size * item + to, np.uint8)
    start = -raw.ctypes.data % to
    return raw[start : start + size * item].view(dtype)
