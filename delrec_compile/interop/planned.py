"""The plan of an import: what each part of a model becomes in the network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from delrec_compile.errors import DelrecError, NetworkError, UnsupportedError
from delrec_compile.interop.chain import Chain, Delays, Integrator, Neurons, Part
from delrec_compile.interop.linear_parts import Convolution, Scale
from delrec_compile.interop.refusals import reason
from delrec_compile.network import grid
from delrec_compile.network.plan import Plan, PlannedPart

Refusals = dict[str, UnsupportedError]
NOTHING = "nothing"


def planned(
    source: str,
    form: str,
    names: Sequence[tuple[str, str]],
    chain: Chain,
    refusals: Mapping[str, UnsupportedError],
    inputs: Mapping[str, Any] | None = None,
    keeps_grid: bool = False,
) -> Plan:
    """The plan of a model. names: name and kind of each part, in order; refusals: by name. inputs:
    max_input and input_bits.

    Where no part is refused, the chain is made a network and frozen, which may refuse how parts follow
    each other, or weights too large for exact sums. keeps_grid: weights that are on a grid stay there.
    """
    refused: dict[str, DelrecError] = dict(refusals)
    if not refused:
        last = names[-1][0] if names else ""
        try:
            network = chain.network(**(inputs or {}))
            if not (keeps_grid and grid.exact(network)):
                grid.snap(network)
        except NetworkError as error:
            at = re.match(r"layer (\d+): ", str(error))
            layers = chain.layers()
            refused[layers[int(at[1])][0] if at and int(at[1]) < len(layers) else last] = error
        except DelrecError as error:
            known = [name for name, _ in names if str(error).startswith(f"{name}: ")]
            refused[max(known, key=len, default=last)] = error
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
