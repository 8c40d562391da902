"""The plan of an import: what each part of a model becomes in the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from delrec_compile.errors import DelrecError, UnsupportedError
from delrec_compile.interop.chain import Chain, Delays, Integrator, Neurons, Part
from delrec_compile.interop.linear_parts import Convolution, Scale
from delrec_compile.interop.refusals import reason
from delrec_compile.network.plan import Plan, PlannedPart

Refusals = dict[str, UnsupportedError]
NOTHING = "nothing"


def planned(
    source: str,
    form: str,
    names: Sequence[tuple[str, str]],
    chain: Chain,
    refusals: Mapping[str, UnsupportedError],
) -> Plan:
    """The plan of a model. names: name and kind of each part, in order; refusals: by name.

    Where no part is refused, the chain is made a network, which may refuse how parts follow each other.
    """
    refused: dict[str, DelrecError] = dict(refusals)
    if not refused:
        try:
            chain.network()
        except DelrecError as error:
            known = [name for name, _ in names if str(error).startswith(f"{name}: ")]
            refused[max(known, key=len, default=names[-1][0] if names else "")] = error
    made: dict[str, list[Part]] = {}
    for name, part in chain.parts:
        made.setdefault(name, []).append(part)
    rows = []
    for name, kind in names:
        if name in refused:
            rows.append(PlannedPart(name, kind, "", *reason(name, refused[name])))
        else:
            becomes = ", ".join(map(_described, made.get(name, ()))) or NOTHING
            rows.append(PlannedPart(name, kind, becomes))
    return Plan(source, form, tuple(rows), tuple(chain.remarks))


def _described(part: Part) -> str:
    if isinstance(part, Neurons):
        own = f", {part.recurrence.name} recurrence" if part.recurrence else ""
        return f"neurons, reset {part.lif.reset}{own}"
    if isinstance(part, Integrator):
        return "readout, its membrane the output"
    if isinstance(part, Delays):
        return f"delays of up to {int(part.steps.max(initial=0))} steps"
    if isinstance(part, Scale):
        return "scale, folded into weights"
    if isinstance(part, Convolution):
        return f"convolution {part.inputs} -> {part.outputs}"
    return f"weights {part.inputs} -> {part.outputs}"
