"""ONNX nodes that compare a membrane with its threshold.

No comparison but Less, and no truth value as a number or in a truth table: every engine has Less
and Where. What heals compares no two negative numbers, which MNN 3.6 takes for integers.
`Less(m, level)` is what does not fire `at` a threshold, and `Less(level, m)` what fires `above` it; a
NaN takes the other branch of each, which is why `high` and `whole` are asked too.
"""

from __future__ import annotations

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.ops.constants import Number

FIRES = ("at", "above")
# names of every body; 1.0000001e30 is the number next to 1e30
NUMBERS = """zero = Constant <value_float: float = 0.0> ()
    one = Constant <value_float: float = 1.0> ()
    upper = Constant <value_float: float = 1.0000001e30> ()
    lower = Constant <value_float: float = -1.0000001e30> ()"""


def compared(fires: str, m: str, level: str, name: str) -> str:
    """The node of the comparison `name`, for `chosen`."""
    return f"{name} = Less ({m}, {level})" if fires == "at" else f"{name} = Less ({level}, {m})"


def chosen(fires: str, name: str, fired: str, stayed: str) -> str:
    """A node's right side: one value where the membrane of a comparison fired, else the other.

    A NaN is taken for one that fired `at` its threshold, and for one that is not `above` it.
    """
    first, second = (stayed, fired) if fires == "at" else (fired, stayed)
    return f"Where ({name}, {first}, {second})"


def spikes(fires: str, level: str) -> str:
    """Nodes from `m` to `over`, `high` and `spikes`; a NaN does not fire."""
    return f"""{compared(fires, "m", level, "over")}
    mirrored = Neg (m)
    high = Less (mirrored, upper)
    raised = Where (high, one, zero)
    spikes = {chosen(fires, "over", "raised", "zero")}"""


def rested(fires: str, level: str) -> str:
    """Nodes from `v` to `rested`: the neuron did not fire in the step before; no NaN is rested.

    Neither below nor above its level, v is equal to it or one of both is a NaN, and so is their sum.
    """
    if fires == "at":
        return f"rested = Less (v, {level})"
    return f"""under_before = Less (v, {level})
    over_before = Less ({level}, v)
    both = Add (v, {level})
    both_size = Abs (both)
    whole = Less (lower, both_size)
    calm = Where (whole, one, zero)
    quiet = Where (over_before, zero, calm)
    still = Where (under_before, one, quiet)
    rested = Less (zero, still)"""


def under(threshold: Number, fires: str) -> F32:
    """Largest membrane that does not fire."""
    value = np.asarray(threshold, np.float32)
    return value if fires == "above" else np.nextafter(value, np.float32(-np.inf))


def threshold(under: F32, fires: str) -> F32:
    """The threshold, from the largest membrane that does not fire."""
    return under if fires == "above" else np.nextafter(under, np.float32(np.inf))
