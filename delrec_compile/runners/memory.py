"""Arrays for compiled code: aligned, checked, passed by address."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import INT16_MAX
from delrec_compile.errors import DataError

CLOCK_MASK = (1 << 30) - 1  # the clock turns over there
LIMIT = 1 << 30  # of an integer membrane
MAX_COUNT = INT16_MAX  # kernels multiply 16-bit weights by it


def counts(x: NDArray[Any]) -> NDArray[Any]:
    """x, unchanged. Raises DataError unless every value is a count."""
    if not ((x >= 0) & (x <= MAX_COUNT) & (x == np.rint(x))).all():
        raise DataError(
            f"x contains a value that is not a count; expected integers from 0 to {MAX_COUNT}, as this "
            "network takes no real values: one imported with input_bits does"
        )
    return x


def values(x: NDArray[Any], real: bool) -> NDArray[Any]:
    """x, unchanged. real: whether the network takes real values, which are then any number but NaN.

    Raises DataError.
    """
    if not real:
        return counts(x)
    if x.dtype.kind not in "biuf":
        raise DataError(f"x has the type {x.dtype}; numbers are required")
    if x.dtype.kind == "f" and np.isnan(x).any():
        at = [int(i) for i in np.unravel_index(int(np.isnan(x).argmax()), x.shape)]
        raise DataError(f"x{at} is NaN; numbers are required")
    return x


def check_values(state: Mapping[str, NDArray[Any]]) -> None:
    """Raises DataError, which names the variable, for values that no run of a network makes.

    state: of one stream, by the names of the C interface.
    """
    for name, values in state.items():
        if name == "clock":
            bad, needed = (values < 0) | (values > CLOCK_MASK), f"0 to {CLOCK_MASK} is required"
        elif values.dtype.kind == "f":
            bad, needed = ~np.isfinite(values), "finite numbers are required"
        elif values.dtype == np.int32:
            bad, needed = (
                np.abs(values.astype(np.int64)) > LIMIT,
                f"-{LIMIT} to {LIMIT} is required",
            )
        elif (
            name.endswith("ring") and (v := state.get(name.removesuffix("ring") + "v")) is not None
        ):
            bad = _stray(values, len(v))
            needed = f"bits of {len(v)} neurons are required"
        else:
            continue
        if bad.any():
            at = int(np.argmax(bad))
            raise DataError(f"state '{name}'[{at}] is {values[at]}; {needed}")


def _stray(ring: NDArray[Any], neurons: int) -> NDArray[np.bool_]:
    """Where words of a ring of bit planes have bits of neurons that are not there."""
    words = -(-neurons // 32)
    last = np.arange(len(ring)) % words == words - 1
    inside = (1 << (neurons - 1) % 32 + 1) - 1
    return np.asarray(last & (ring > inside))


def pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    """The address of an array's first element."""
    return ctypes.c_void_p(array.ctypes.data)


def aligned(size: int, dtype: Any, to: int = 64) -> NDArray[Any]:
    """Zeros at an address that is a multiple of `to` bytes."""
    item = np.dtype(dtype).itemsize
    raw = np.zeros(size * item + to, np.uint8)
    start = -raw.ctypes.data % to
    return raw[start : start + size * item].view(dtype)
