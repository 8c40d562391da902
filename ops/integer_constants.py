"""Constants of neurons as integers: shares, levels, factors, and how long a state lasts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from delrec_compile.aliases import F64, I32
from delrec_compile.ops.constants import Number
from delrec_compile.ops.integer_leak import ONE

LASTING = (
    64  # steps of the worst input that a state variable takes before its clamp, whatever its share
)
REST, PERIOD = "refractory", "period"  # state variable and constant of a refractory period


def share(value: Number) -> Any:
    """A share in 2^-15: a number, or an array of int32."""
    rounded = np.rint(np.asarray(value, np.float64) * ONE).astype(np.int32)
    return rounded if rounded.ndim else int(rounded)


def steps_of(*shares: Any) -> float:
    """Steps that a state with these shares, one filter behind another, lasts; LASTING at most."""
    total = 1.0
    for each in shares:
        total *= min(ONE / max(ONE - int(np.max(each)), 1), LASTING)
    return min(total, LASTING)


def whole(value: Any, unit: F64) -> I32:
    """(N,): a constant in units."""
    return np.rint(np.asarray(value, np.float64) / unit).astype(np.int32)


def one_of(values: I32) -> int | I32:
    """One number where all neurons have the same."""
    return int(values[0]) if (values == values[0]).all() else values


def level_of(threshold: Any, fires: str, unit: F64) -> Any:
    """(N,): the smallest whole number of units that fires, as float64."""
    units = np.asarray(threshold, np.float64) / unit
    return np.floor(units) + 1 if fires == "above" else np.ceil(units)


def factor(value: Any) -> tuple[Any, int]:
    """(number or (N,) int32, places): value = number / 2^(15 - places), at most 2^15 in size."""
    array = np.asarray(value, np.float64)
    largest = float(np.abs(array).max())
    places = max(0, math.ceil(math.log2(largest))) if largest > 0 else 0
    number = np.rint(np.ldexp(array, 15 - places)).astype(np.int32)
    return (number if number.ndim else int(number)), places


def adaptive_constants(neuron: Any, worth: F64) -> dict[str, Any]:
    """Constants that `alif` and `adlif` share. worth: of a unit of the membrane."""
    level = level_of(neuron.threshold, neuron.fires, worth)
    v_reset = np.minimum(np.rint(neuron.v_reset / worth), level - 1).astype(np.int32)
    hard = neuron.reset == "hard"
    out = {
        "beta": share(neuron.beta),
        "rho": share(neuron.rho),
        "threshold": level.astype(np.int32),
        "v_reset": one_of(v_reset) if hard or neuron.is_refractory else 0,
        "drop": 0 if hard else whole(neuron.threshold, worth),
    }
    if neuron.is_refractory:
        out[PERIOD] = np.broadcast_to(neuron.refractory, len(worth)).astype(np.int32)
    return out
