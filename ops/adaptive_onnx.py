"""ONNX functions of the adaptive neurons: one for each form, with constants as inputs."""

from __future__ import annotations

from dataclasses import dataclass

from delrec_compile.ops.nodes import Nodes
from delrec_compile.ops.refractory import COUNT, HELD, REFRACTORY, WAITS

OPERATORS = {"at": ("Less", "GreaterOrEqual"), "above": ("LessOrEqual", "Greater")}
# 1.0000001e30 is the number next to 1e30
TEXT = """
<domain: "ai.delrec", opset_import: ["" : 18]>
{name} ({inputs}) => ({outputs})
{{
    zero = Constant <value_float: float = 0.0> ()
    broken = Constant <value_float: float = 1.0000001e30> ()
    {body}
    fires = {reached} (m, {level})
    spikes = Cast <to = 1> (fires)
    size = Abs (m)
    sound = Less (size, broken)
    v_next = Where (sound, m, v_reset)
    {count}
}}
"""


@dataclass(frozen=True)
class Form:
    """A form of a model. numbers: names of its constants. adaptation: of its second state variable.

    body: nodes from the inputs to {m} and to the next adaptation, with {below} for the comparison of a
    membrane that does not fire. level: value at which m fires.
    """

    name: str
    numbers: tuple[str, ...]
    adaptation: str
    body: str
    level: str
    fires: str

    def texts(self) -> tuple[str, str]:
        """The function without and with a refractory period."""
        return self._text(waits=False), self._text(waits=True)

    def nodes(self) -> Nodes:
        """See `Neuron.nodes`."""
        return {self.name: (0, 1, 2), self.name + WAITS: (0, 1, 2, 3)}

    def _text(self, *, waits: bool) -> str:
        below, reached = OPERATORS[self.fires]
        state = ["v", self.adaptation, *([REFRACTORY] if waits else [])]
        constants = [*self.numbers, *(["steps"] if waits else [])]
        body = self.body.format(below=below, m="m_free" if waits else "m")
        return TEXT.format(
            name=self.name + (WAITS if waits else ""),
            inputs=", ".join(["current", *state, *constants]),
            outputs=", ".join(["spikes", *(f"{name}_next" for name in state)]),
            body=body + (HELD if waits else ""),
            reached=reached,
            level=self.level,
            count=COUNT if waits else "",
        )
