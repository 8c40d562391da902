"""Checks of arrays that ops and networks share; each error names the tensor and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.errors import NetworkError

MAX_DELAY = 4094


def finite(name: str, values: Any) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(values, dtype=np.float32)
    if not np.isfinite(array).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise NetworkError(f"{name}{list(at)} is {array[at]}; weights must be finite numbers")
    return array


def matrix(name: str, values: Any) -> NDArray[np.float32]:
    array = finite(name, values)
    if array.ndim != 2 or 0 in array.shape:
        raise NetworkError(f"{name} has shape {list(array.shape)}; [out, in] is required")
    return array


def matrices(name: str, values: Any) -> NDArray[np.float32]:
    """(out, in), or (heads, out, in); one head is (out, in)."""
    array = finite(name, values)
    if array.ndim == 3 and len(array) == 1:
        array = array[0]
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise NetworkError(
            f"{name} has shape {list(array.shape)}; [out, in] or [heads, out, in] is required"
        )
    return array


def axonal(weight: NDArray[np.float32], delay: NDArray[np.int32]) -> None:
    """Raises NetworkError unless there is a delay for each column of each head of a weight."""
    *heads, _, inputs = weight.shape
    if delay.shape != (*heads, inputs):
        raise NetworkError(
            f"delay has shape {list(delay.shape)} and weight {list(weight.shape)}; one delay for each "
            f"column of each head, {[*heads, inputs]}, is required"
        )


def one_size(kind: str, constants: Mapping[str, NDArray[Any]]) -> None:
    """Raises NetworkError unless constants, of a value for each neuron, are of one size."""
    if len({len(values) for values in constants.values()}) > 1:
        sizes = ", ".join(f"{name} for {len(values)}" for name, values in constants.items())
        raise NetworkError(f"{kind}: constants of several sizes, {sizes} neurons; one is required")


def vector(name: str, values: Any, size: int | None = None) -> NDArray[np.float32]:
    array = finite(name, values)
    if array.ndim != 1 or len(array) == 0 or (size is not None and len(array) != size):
        expected = "[N]" if size is None else f"[{size}]"
        raise NetworkError(f"{name} has shape {list(array.shape)}; {expected} is required")
    return array


def same_rows(weight: NDArray[Any], bias: NDArray[Any], where: str = "") -> None:
    """Raises NetworkError unless there is one bias for each row of a weight (out, in)."""
    if bias.shape == weight.shape[:1]:
        return
    transposed = ": is the weight transposed?" if bias.shape == weight.shape[1:] else ""
    raise NetworkError(
        f"{where}weight has shape {list(weight.shape)} and bias {list(bias.shape)}; [out, in] and "
        f"[out] are required{transposed}"
    )


def kernel(values: Any) -> NDArray[np.float32]:
    """Taps over the neuron axis, odd in number, so that the padding is the same on both sides.

    (K,), or (heads, K); one head is (K,).
    """
    array = finite("kernel", values)
    if array.ndim == 2 and len(array) == 1 and array.size:
        array = array[0]
    if array.ndim not in (1, 2) or 0 in array.shape:
        raise NetworkError(f"kernel has shape {list(array.shape)}; [K] or [heads, K] is required")
    if array.shape[-1] % 2 == 0:
        raise NetworkError(f"kernel has {array.shape[-1]} taps; an odd number is required")
    return array


def heads(kernel: NDArray[np.float32], delay: NDArray[np.int32]) -> None:
    """Raises NetworkError unless there is one row of delays per kernel."""
    rows, kernels = np.atleast_2d(delay).shape[0], np.atleast_2d(kernel).shape[0]
    if rows != kernels:
        raise NetworkError(
            f"there are {kernels} kernels and {rows} rows of delays; one row per kernel is required"
        )


def delays(values: Any) -> NDArray[np.int32]:
    """Axonal delays in whole steps, one per sending neuron: (N,), or (heads, N)."""
    array = np.asarray(values)
    if array.ndim == 2 and len(array) == 1:
        array = array[0]
    if array.ndim not in (1, 2) or array.size == 0:
        raise NetworkError(f"delay has shape {list(array.shape)}; [N] or [heads, N] is required")
    number = array.astype(np.float64)
    for fault, why in (
        (~np.isfinite(number), "delays must be finite numbers"),
        (number < 0, "a delay cannot be negative"),
        (number > MAX_DELAY, f"the longest delay allowed is {MAX_DELAY} steps"),
        (number != np.rint(number), "a frozen delay is an integer number of steps"),
    ):
        if fault.any():
            at = tuple(int(i) for i in np.argwhere(fault)[0])
            raise NetworkError(f"delay{list(at)} is {array[at]}; {why}")
    return np.ascontiguousarray(number.astype(np.int32))


def vector_of_delays(values: Any) -> NDArray[np.int32]:
    array = delays(values)
    if array.ndim != 1:
        raise NetworkError(f"delay has shape {list(array.shape)}; [N] is required")
    return array


def taps(name: str, values: Any, axes: tuple[str, ...]) -> NDArray[np.float32]:
    """Kernels with an odd number of taps along their last axis. axes: their names, for errors."""
    array = finite(name, values)
    if array.ndim != len(axes) or 0 in array.shape:
        raise NetworkError(f"{name} has shape {list(array.shape)}; [{', '.join(axes)}] is required")
    if array.shape[-1] % 2 == 0:
        raise NetworkError(f"{name} has {array.shape[-1]} taps; an odd number is required")
    return array


def count(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise NetworkError(f"{name} is {value!r}; an integer from 1 is required")


def lag(name: str, steps: int) -> None:
    if steps > MAX_DELAY:
        raise NetworkError(
            f"{name} reaches {steps} steps back; the longest delay allowed is {MAX_DELAY} steps"
        )
