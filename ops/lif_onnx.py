"""ONNX functions of the LIF neuron of `lif`: one with its constants as attributes, one per form."""

from __future__ import annotations

from delrec_compile.ops.nodes import Nodes
from delrec_compile.ops.refractory import COUNT, HELD, WAITS

FIRES = ("at", "above")
RESETS = ("hard", "soft", "soft_later")
ALL_RESETS = (*RESETS, "hard_later")

# Attributes of the function: beta, threshold, v_reset. No cast of a truth value and no comparison but
# Less, which every engine has; 1.0000001e30 is the number next to 1e30.
SHARED_CONSTANTS = """
<domain: "ai.delrec", opset_import: ["" : 18]>
Lif <beta, threshold, v_reset> (current, v) => (spikes, v_next)
{
    beta_value = Constant <value_float: float = @beta> ()
    threshold_value = Constant <value_float: float = @threshold> ()
    reset_value = Constant <value_float: float = @v_reset> ()
    leaked = Mul (v, beta_value)
    m = Add (leaked, current)
    below = Less (m, threshold_value)
    lower = Constant <value_float: float = -1.0000001e30> ()
    sound = Less (lower, m)
    zero = Constant <value_float: float = 0.0> ()
    one = Constant <value_float: float = 1.0> ()
    above = Where (sound, one, zero)
    spikes = Where (below, zero, above)
    kept = Where (sound, m, reset_value)
    v_next = Where (below, kept, reset_value)
}
"""
# beta, threshold, v_reset: () or (N,)
OWN_CONSTANTS = """
<domain: "ai.delrec", opset_import: ["" : 18]>
{name} (current, v, beta, threshold, v_reset) => (spikes, v_next)
{{
    leaked = Mul (v, beta)
    {sum} = Add (leaked, current)
    {body}
    fires = {fires} (m, threshold)
    spikes = Cast <to = 1> (fires)
}}
"""
BODIES = {
    "hard": """below = {stays} (m, threshold)
    lowest = Constant <value_float: float = -1e30> ()
    sound = GreaterOrEqual (m, lowest)
    stays = And (below, sound)
    v_next = Where (stays, m, v_reset)""",
    "soft": """less = Sub (m, threshold)
    stays = {stays} (m, threshold)
    after = Where (stays, m, less)
    size = Abs (m)
    broken = Constant <value_float: float = 1.0000001e30> ()
    sound = Less (size, broken)
    v_next = Where (sound, after, v_reset)""",
    "soft_later": """fired = {fires} (v, threshold)
    less = Sub (sum, threshold)
    m = Where (fired, less, sum)
    size = Abs (m)
    broken = Constant <value_float: float = 1.0000001e30> ()
    sound = Less (size, broken)
    v_next = Where (sound, m, v_reset)""",
    "hard_later": """fired = {fires} (v, threshold)
    m = Where (fired, v_reset, sum)
    size = Abs (m)
    broken = Constant <value_float: float = 1.0000001e30> ()
    sound = Less (size, broken)
    v_next = Where (sound, m, v_reset)""",
}
# the reset "hard", with a refractory period
REFRACTORY_TEXT = """
<domain: "ai.delrec", opset_import: ["" : 18]>
{name} (current, v, refractory, beta, threshold, v_reset, steps) => (spikes, v_next, refractory_next)
{{
    zero = Constant <value_float: float = 0.0> ()
    leaked = Mul (v, beta)
    m_free = Add (leaked, current){held}
    {body}
    fires = {fires} (m, threshold)
    spikes = Cast <to = 1> (fires)
    {count}
}}
"""
GAIN = """
<domain: "ai.delrec", opset_import: ["" : 18]>
Gain (current, gain) => (scaled)
{
    scaled = Mul (current, gain)
}
"""


DEFAULT = "Lif"


def node(fires: str, reset: str) -> str:
    """Name of the function of a form, with its constants as inputs."""
    return DEFAULT + f"{reset}_{fires}".title().replace("_", "")


OPERATORS = {"at": ("GreaterOrEqual", "Less"), "above": ("Greater", "LessOrEqual")}


def _general(fires: str, reset: str) -> str:
    names = dict(zip(("fires", "stays"), OPERATORS[fires], strict=True))
    body = BODIES[reset].format(**names)
    total = "sum" if reset.endswith("later") else "m"
    return OWN_CONSTANTS.format(name=node(fires, reset), sum=total, body=body, fires=names["fires"])


def _refractory(fires: str) -> str:
    over, stays = OPERATORS[fires]
    body, name = BODIES["hard"].format(stays=stays), node(fires, "hard") + WAITS
    return REFRACTORY_TEXT.format(name=name, held=HELD, body=body, fires=over, count=COUNT)


FORMS = {node(fires, reset): (fires, reset) for fires in FIRES for reset in ALL_RESETS}
NODES: Nodes = dict.fromkeys((DEFAULT, *FORMS), (0, 1))
NODES |= {node(fires, "hard") + WAITS: (0, 1, 2) for fires in FIRES}
HELPER_NODES: Nodes = {"Gain": (0,)}
ONNX = (SHARED_CONSTANTS, GAIN, *(_general(*form) for form in FORMS.values()))
ONNX += tuple(_refractory(fires) for fires in FIRES)
