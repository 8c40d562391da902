"""ONNX functions of the adaptive neurons: one for each form, with constants as inputs."""

from __future__ import annotations

from dataclasses import dataclass

from delrec_compile.ops import threshold_onnx
from delrec_compile.ops.nodes import Nodes
from delrec_compile.ops.refractory import COUNT, HELD, REFRACTORY, WAITS

TEXT = """
<domain: "ai.delrec", opset_import: ["" : 18]>
{name} ({inputs}) => ({outputs})
{{
    {numbers}
    {body}
    {spikes}
    low = Less (m, upper)
    below = Where (low, m, v_reset)
    v_next = Where (high, below, v_reset)
    {count}
}}
"""


@dataclass(frozen=True)
class Form:
    """A form of a model. numbers: names of its constants. adaptation: of its second state variable.

    body: nodes from the inputs to {m} and to the next adaptation, with {rested} for those that make
    `rested` of `v` and `level_before`. level: value at which m fires.
    """

    name: str
    numbers: tuple[str, ...]
    adaptation: str
    body: str
    level: str
    fires: str
    level_before: str = "threshold"

    def texts(self) -> tuple[str, str]:
        """The function without and with a refractory period."""
        return self._text(waits=False), self._text(waits=True)

    def nodes(self) -> Nodes:
        """See `Neuron.nodes`."""
        return {self.name: (0, 1, 2), self.name + WAITS: (0, 1, 2, 3)}

    def _text(self, *, waits: bool) -> str:
        state = ["v", self.adaptation, *([REFRACTORY] if waits else [])]
        constants = [*self.numbers, *(["steps"] if waits else [])]
        rested = threshold_onnx.rested(self.fires, self.level_before)
        body = self.body.format(rested=rested, m="m_free" if waits else "m")
        return TEXT.format(
            name=self.name + (WAITS if waits else ""),
            inputs=", ".join(["current", *state, *constants]),
            outputs=", ".join(["spikes", *(f"{name}_next" for name in state)]),
            body=body + (HELD if waits else ""),
            numbers=threshold_onnx.NUMBERS,
            spikes=threshold_onnx.spikes(self.fires, self.level),
            count=COUNT if waits else "",
        )
