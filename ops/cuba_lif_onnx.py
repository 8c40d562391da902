"""ONNX functions of the neuron of `cuba_lif`: one for each current that enters and each reset.

No comparison but Less and no truth value as a number, which every engine has. So a membrane fires where
it is above `under`: the threshold itself, or the number below it for a neuron that fires at it.
The attribute `above` keeps which it is; no function reads it.
"""

from __future__ import annotations

from delrec_compile.ops.lif import ALL_RESETS
from delrec_compile.ops.nodes import Nodes

ENTERS = ("new", "old")

# 1.0000001e30 is the number next to 1e30
FUNCTION = """
<domain: "ai.delrec", opset_import: ["" : 18]>
{name} <above> (current, i, v, {constants}) => (spikes, i_next, v_next)
{{
    zero = Constant <value_float: float = 0.0> ()
    one = Constant <value_float: float = 1.0> ()
    upper = Constant <value_float: float = 1.0000001e30> ()
    decayed = Mul (i, alpha)
    scaled = Mul (current, gain_i)
    summed = Add (decayed, scaled)
    i_size = Abs (summed)
    i_sound = Less (i_size, upper)
    i_next = Where (i_sound, summed, zero)
    leaked = Mul (v, beta)
    driven = Mul ({enters}, gain)
    {sum} = Add (leaked, driven)
    {late}
    fires = Less (under, m)
    spikes = Where (fires, one, zero)
    {after}
    size = Abs (m)
    sound = Less (size, upper)
    v_next = Where (sound, after, v_reset)
}}
"""
LATE = {
    "soft_later": """less = Sub (sum, threshold)
    fired = Less (under, v)
    m = Where (fired, less, sum)""",
    "hard_later": """fired = Less (under, v)
    m = Where (fired, v_reset, sum)""",
}
AFTER = {
    "hard": "after = Where (fires, v_reset, m)",
    "soft": """less = Sub (m, threshold)
    after = Where (fires, less, m)""",
    "soft_later": "after = Identity (m)",
    "hard_later": "after = Identity (m)",
}


def node(enters: str, reset: str) -> str:
    """Name of the function of a form."""
    return "CubaLif" + f"{enters}_{reset}".title().replace("_", "")


def constants(reset: str) -> tuple[str, ...]:
    """Names of the constants of a form, () or (N,) each, in the order of its function's inputs."""
    own = ("threshold",) if reset.startswith("soft") else ()
    return ("alpha", "gain_i", "beta", "gain", "under", "v_reset", *own)


def _function(enters: str, reset: str) -> str:
    return FUNCTION.format(
        name=node(enters, reset),
        constants=", ".join(constants(reset)),
        enters="i_next" if enters == "new" else "i",
        sum="sum" if reset in LATE else "m",
        late=LATE.get(reset, ""),
        after=AFTER[reset],
    )


FORMS = {node(enters, reset): (enters, reset) for enters in ENTERS for reset in ALL_RESETS}
NODES: Nodes = dict.fromkeys(FORMS, (0, 1, 2))
ONNX = tuple(_function(*form) for form in FORMS.values())
