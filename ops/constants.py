"""Constants of neurons: one number for a layer, or one for each neuron."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.ops import checks

if TYPE_CHECKING:
    import torch

Number = float | F32  # one per layer, or (N,)


def number(kind: str, name: str, value: Any) -> Number:
    """A constant of neurons: one float32, or (N,). kind: of the model, for errors."""
    with np.errstate(over="ignore"):
        array = np.asarray(value, np.float32)
    if array.ndim:
        return checks.vector(f"{kind}: {name}", array)
    if not np.isfinite(array):
        raise NetworkError(f"{kind}: {name} is {array}; a finite number is required")
    return float(array)


def wrong(value: Number, fault: Any) -> tuple[str, int]:
    """Text of the first faulty value, or an empty text; and its index."""
    fault = np.asarray(fault)
    if not fault.any():
        return "", 0
    at = int(np.flatnonzero(fault)[0])
    return str(value_at(value, at)), at


def value_at(value: Number, at: int) -> float:
    """A constant of neuron `at`."""
    return float(value[at]) if isinstance(value, np.ndarray) else value


def as_tensor(value: Number, like: torch.Tensor) -> Any:
    """A constant as torch takes it, in the type of `like`."""
    import torch

    return torch.from_numpy(value).to(like.dtype) if isinstance(value, np.ndarray) else value
