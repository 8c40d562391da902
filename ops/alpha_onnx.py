"""ONNX functions of the neuron of `alpha`, one for each reset; their operators as in `cuba_lif_onnx`."""

from __future__ import annotations

from delrec_compile.ops.nodes import Nodes

RESETS = ("hard_later", "soft_later")

# 1.0000001e30 is the number next to 1e30
FUNCTION = """
<domain: "ai.delrec", opset_import: ["" : 18]>
{name} <above> (current, i_exc, i_inh, v, {constants}) => (spikes, i_exc_next, i_inh_next, v_next)
{{
    zero = Constant <value_float: float = 0.0> ()
    one = Constant <value_float: float = 1.0> ()
    upper = Constant <value_float: float = 1.0000001e30> ()
    exc_decayed = Mul (i_exc, alpha)
    exc_sum = Add (exc_decayed, current)
    exc_size = Abs (exc_sum)
    exc_sound = Less (exc_size, upper)
    exc = Where (exc_sound, exc_sum, zero)
    inh_decayed = Mul (i_inh, beta)
    inh_sum = Sub (inh_decayed, current)
    inh_size = Abs (inh_sum)
    inh_sound = Less (inh_size, upper)
    inh = Where (inh_sound, inh_sum, zero)
    both = Add (exc, inh)
    scaled = Mul (both, gain)
    fired = Less (under, v)
    {late}
    i_exc_next = Where (fired, exc_late, exc)
    i_inh_next = Where (fired, zero, inh)
    m = Where (fired, m_late, scaled)
    fires = Less (under, m)
    spikes = Where (fires, one, zero)
    size = Abs (m)
    sound = Less (size, upper)
    v_next = Where (sound, m, zero)
}}
"""
LATE = {
    "hard_later": """exc_late = Constant <value_float: float = 0.0> ()
    m_late = Constant <value_float: float = 0.0> ()""",
    "soft_later": """exc_late = Sub (exc, threshold)
    m_late = Add (scaled, i_inh)""",
}


def node(reset: str) -> str:
    """Name of the function of a reset."""
    return "Alpha" + reset.title().replace("_", "")


def constants(reset: str) -> tuple[str, ...]:
    """Names of the constants of a form, () or (N,) each, in the order of its function's inputs."""
    return ("alpha", "beta", "gain", "under", *(("threshold",) if reset == "soft_later" else ()))


FORMS = {node(reset): reset for reset in RESETS}
NODES: Nodes = dict.fromkeys(FORMS, (0, 1, 2, 3))
ONNX = tuple(
    FUNCTION.format(name=name, constants=", ".join(constants(reset)), late=LATE[reset])
    for name, reset in FORMS.items()
)
