"""ONNX nodes that compare a membrane with its threshold.

No comparison but Less, and no truth value as a number or in a truth table: every engine has Less
and Where. `Less(m, level)` is what does not fire `at` a threshold, and `Less(level, m)` what fires
`above` it; a NaN takes the other branch of each, which is why `high` and `whole` are asked too.
"""

from __future__ import annotations

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
    high = Less (lower, m)
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
