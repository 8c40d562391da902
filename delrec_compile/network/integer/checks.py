"""Checks of integer arrays that the parts of an integer network share."""

from __future__ import annotations

from typing import Any

import numpy as np

from delrec_compile.aliases import F64, I64, Ints
from delrec_compile.errors import NetworkError

WEIGHTS = (np.dtype(np.int8), np.dtype(np.int16))
KERNELS = (np.dtype(np.int16), np.dtype(np.int32))


def product(s: F64, weight: Ints) -> I64:
    """s @ weight.T for integers; in float64, which is exact below 2^53 and fast."""
    return np.rint(s @ weight.T.astype(np.float64)).astype(np.int64)


def row_sums(weight: Ints) -> I64:
    return np.asarray(np.abs(weight.astype(np.int64)).sum(axis=1))


def require_int(name: str, value: Any, low: int, high: int) -> None:
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise NetworkError(f"{name} is {value!r}; an integer is required")
    if not low <= value <= high:
        raise NetworkError(f"{name} is {value}; allowed: {low} to {high}")


def require_array(
    owner: Any, name: str, kinds: tuple[np.dtype[Any], ...], shape: tuple[int | None, ...]
) -> None:
    array = np.ascontiguousarray(getattr(owner, name))
    if array.dtype not in kinds:
        allowed = " or ".join(k.name for k in kinds)
        raise NetworkError(f"{name} is {array.dtype}; {allowed} is required")
    fits = array.ndim == len(shape) and all(
        expected in (None, extent) for expected, extent in zip(shape, array.shape, strict=True)
    )
    if not fits or array.size == 0:
        expected_text = ", ".join("any" if s is None else str(s) for s in shape)
        raise NetworkError(f"{name} has shape {list(array.shape)}; [{expected_text}] is required")
    object.__setattr__(owner, name, array)
