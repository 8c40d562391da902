"""The plan of an import: what each part of a model becomes in the network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from delrec_compile.errors import DelrecError, NetworkError, UnsupportedError
from delrec_compile.interop.assembly import Units, names_of
from delrec_compile.interop.chain import Chain
from delrec_compile.interop.linear_parts import Convolution, Scale
from delrec_compile.interop.parts import Delays, Integrator, Neurons, Part, Peak, SynapticWeights
from delrec_compile.interop.refusals import reason
from delrec_compile.network import grid
from delrec_compile.network.model import Lif
from delrec_compile.network.plan import Plan, PlannedPart
from delrec_compile.network.population import OR

Refusals = dict[str, UnsupportedError]
NOTHING = "nothing"


def planned(
    source: str,
    form: str,
    names: Sequence[tuple[str, str]],
    model: Chain | Units,
    refusals: Mapping[str, UnsupportedError],
    inputs: Mapping[str, Any] | None = None,
    keeps_grid: bool = False,
) -> Plan:
    """The plan of a model. names: name and kind of each part, in order; refusals: by name. inputs:
    max_input and input_bits.

    Where no part is refused, the model is made a network and frozen, which may refuse how parts follow
    each other, or weights too large for exact sums. keeps_grid: weights that are on a grid stay there.
    """
    refused: dict[str, DelrecError] = dict(refusals)
    if not refused:
        last = names[-1][0] if names else ""
        try:
            network = model.network(**(inputs or {}))
            if not (keeps_grid and grid.exact(network)):
                grid.snap(network)
        except NetworkError as error:
            refused[_blamed(str(error), model.spiking) or last] = error
        except DelrecError as error:
            known = [name for name, _ in names if str(error).startswith(f"{name}: ")]
            refused[max(known, key=len, default=last)] = error
    made: dict[str, list[Part]] = {}
    for name, part in model.parts if isinstance(model, Chain) else model.parts():
        made.setdefault(name, []).append(part)
    rows = []
    for name, kind in names:
        if name in refused:
            rows.append(PlannedPart(name, kind, "", *reason(name, refused[name])))
        else:
            becomes = ", ".join(map(_described, made.get(name, ()))) or NOTHING
            rows.append(PlannedPart(name, kind, becomes))
    return Plan(source, form, tuple(rows), tuple(model.remarks))


def _blamed(error: str, spiking: Sequence[str]) -> str:
    """The part that an error of a network is about, or an empty text."""
    if at := re.match(r"layer (\d+): ", error):
        return spiking[int(at[1])] if int(at[1]) < len(spiking) else ""
    if at := re.match(r"population '(\w+)': ", error):
        return next((unit for unit, name in names_of(spiking).items() if name == at[1]), "")
    return ""


def _described(part: Part) -> str:
    if isinstance(part, Peak):
        return "the largest sum of each window"
    if isinstance(part, Neurons) and part.neuron is OR:
        return "a population that fires where one of its window does"
    if isinstance(part, Neurons):
        own = "".join(f", {each.name} recurrence" for each in part.recurrences)
        kind = "neurons" if isinstance(part.neuron, Lif) else f"{part.neuron.kind} neurons"
        reset = getattr(part.neuron, "reset", "")
        return f"{kind}{f', reset {reset}' if reset else ''}{own}"
    if isinstance(part, Integrator):
        own = "" if part.alpha is None else ", behind a synaptic current"
        return f"readout, its membrane the output{own}"
    if isinstance(part, Delays):
        return f"delays of up to {int(part.steps.max(initial=0))} steps"
    if isinstance(part, SynapticWeights):
        longest = int(part.delay.max(initial=0))
        return f"weights {part.inputs} -> {part.outputs}, a delay of up to {longest} steps each"
    if isinstance(part, Scale):
        return "scale, folded into weights"
    if isinstance(part, Convolution):
        return f"convolution {part.inputs} -> {part.outputs}"
    return f"weights {part.inputs} -> {part.outputs}"
