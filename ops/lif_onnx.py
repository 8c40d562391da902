"""ONNX functions of the LIF neuron of `lif`: one with its constants as attributes, one per form."""

from __future__ import annotations

from delrec_compile.ops import threshold_onnx
from delrec_compile.ops.nodes import Nodes
from delrec_compile.ops.refractory import COUNT, HELD, WAITS
from delrec_compile.ops.threshold_onnx import FIRES, NUMBERS, chosen, compared

RESETS = ("hard", "soft", "soft_later")
ALL_RESETS = (*RESETS, "hard_later")

# under: the number below the threshold, so that what is above it fires, and no NaN
SHARED_CONSTANTS = """
<domain: "ai.delrec", opset_import: ["" : 18]>
Lif <beta, threshold, under, v_reset> (current, v) => (spikes, v_next)
{
    beta_value = Constant <value_float: float = @beta> ()
    under_value = Constant <value_float: float = @under> ()
    reset_value = Constant <value_float: float = @v_reset> ()
    leaked = Mul (v, beta_value)
    m = Add (leaked, current)
    zero = Constant <value_float: float = 0.0> ()
    one = Constant <value_float: float = 1.0> ()
    fires = Less (under_value, m)
    spikes = Where (fires, one, zero)
    upper = Constant <value_float: float = 1.0000001e30> ()
    size = Abs (m)
    sound = Less (size, upper)
    kept = Where (sound, m, reset_value)
    v_next = Where (fires, reset_value, kept)
}
"""
# beta, threshold, v_reset: () or (N,)
OWN_CONSTANTS = """
<domain: "ai.delrec", opset_import: ["" : 18]>
{name} (current, v, beta, threshold, v_reset) => (spikes, v_next)
{{
    {numbers}
    leaked = Mul (v, beta)
    {sum} = Add (leaked, current)
    {late}{spikes}
    {after}
}}
"""
# nodes from `sum` to `m`
LATE = {
    "soft_later": """{compared}
    lowered = Sub (sum, threshold)
    m = {lowered}
    """,
    "hard_later": """{compared}
    m = {reset}
    """,
}
# nodes from `m` to `v_next`
AFTER = {
    "hard": """kept = Where (high, m, v_reset)
    v_next = {reset}""",
    "soft": """lowered = Sub (m, threshold)
    after = {lowered}
    low = Less (m, upper)
    below = Where (low, after, v_reset)
    v_next = Where (high, below, v_reset)""",
}
HEALED = """low = Less (m, upper)
    below = Where (low, m, v_reset)
    v_next = Where (high, below, v_reset)"""
# the reset "hard", with a refractory period
REFRACTORY_TEXT = """
<domain: "ai.delrec", opset_import: ["" : 18]>
{name} (current, v, refractory, beta, threshold, v_reset, steps) => (spikes, v_next, refractory_next)
{{
    {numbers}
    leaked = Mul (v, beta)
    m_free = Add (leaked, current){held}
    {spikes}
    {after}
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


def _late(fires: str, reset: str) -> str:
    """Nodes of a reset in the step after the spike."""
    return LATE.get(reset, "").format(
        compared=compared(fires, "v", "threshold", "fired"),
        lowered=chosen(fires, "fired", "lowered", "sum"),
        reset=chosen(fires, "fired", "v_reset", "sum"),
    )


def _after(fires: str, reset: str) -> str:
    """Nodes of a reset in the step of the spike, and of what heals a membrane."""
    return AFTER.get(reset, HEALED).format(
        lowered=chosen(fires, "over", "lowered", "m"),
        reset=chosen(fires, "over", "v_reset", "kept"),
    )


def _general(fires: str, reset: str) -> str:
    return OWN_CONSTANTS.format(
        name=node(fires, reset),
        numbers=NUMBERS,
        sum="sum" if reset in LATE else "m",
        late=_late(fires, reset),
        spikes=threshold_onnx.spikes(fires, "threshold"),
        after=_after(fires, reset),
    )


def _refractory(fires: str) -> str:
    return REFRACTORY_TEXT.format(
        name=node(fires, "hard") + WAITS,
        numbers=NUMBERS,
        held=HELD,
        spikes=threshold_onnx.spikes(fires, "threshold"),
        after=_after(fires, "hard"),
        count=COUNT,
    )


FORMS = {node(fires, reset): (fires, reset) for fires in FIRES for reset in ALL_RESETS}
NODES: Nodes = dict.fromkeys((DEFAULT, *FORMS), (0, 1))
NODES |= {node(fires, "hard") + WAITS: (0, 1, 2) for fires in FIRES}
HELPER_NODES: Nodes = {"Gain": (0,)}
ONNX = (SHARED_CONSTANTS, GAIN, *(_general(*form) for form in FORMS.values()))
ONNX += tuple(_refractory(fires) for fires in FIRES)
