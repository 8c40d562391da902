"""A foreign model as a chain of parts in order.

The importers of modules describe their model by these parts. A part that no network has is refused,
by the name that it has in its model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from delrec_compile.errors import UnsupportedError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.assembly import Unit, Units
from delrec_compile.interop.linear_parts import LinearPart
from delrec_compile.interop.parts import (
    Delays,
    Integrator,
    Neurons,
    OnPath,
    Part,
    Peak,
    SynapticWeights,
)
from delrec_compile.interop.paths import Named, Path, term_of
from delrec_compile.network.model import INPUT, Network

INPUT_PART = -1  # place of the input among the parts
OUTPUT = "out"  # name of the readout of a model that ends with weights or with spikes


@dataclass
class Chain:
    """Parts with their names, in order. remarks: notes on the import for its user.

    before: of each part, the parts whose values it takes, added up; INPUT_PART is the input. Without
    `enter`, each part takes what the one before sends.
    """

    inputs: int
    parts: list[tuple[str, Part]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    before: list[tuple[int, ...]] = field(default_factory=list)
    _here: tuple[int, ...] = (INPUT_PART,)
    _sent: dict[str, tuple[int, ...]] = field(default_factory=lambda: {INPUT: (INPUT_PART,)})

    def enter(self, sources: Sequence[str]) -> None:
        """The next part takes the sum of what these sent; see `leave`."""
        self._here = tuple(k for name in sources for k in self._sent[name])

    def leave(self, name: str) -> None:
        """Names what the last part sends, or what `enter` took if none was added."""
        self._sent[name] = self._here

    def add(self, name: str, part: Part) -> None:
        self.parts.append((name, part))
        self.before.append(self._here)
        self._here = (len(self.parts) - 1,)

    def takes_spikes(self) -> bool:
        """Whether the next part takes the spikes of one population, delayed or not."""
        here = self._here
        while len(here) == 1 and here != (INPUT_PART,):
            part = self.parts[here[0]][1]
            if not isinstance(part, Delays):
                return isinstance(part, Neurons)
            here = self.before[here[0]]
        return False

    def taken(self) -> int | None:
        """The place among `spiking` of the population whose spikes the next part takes; None if it
        takes anything else."""
        if len(self._here) != 1 or self._here == (INPUT_PART,):
            return None
        k = self._here[0]
        fires = [i for i, (_, part) in enumerate(self.parts) if isinstance(part, Neurons)]
        return fires.index(k) if k in fires else None

    @property
    def spiking(self) -> tuple[str, ...]:
        """Names of the parts that fire, in order."""
        return tuple(name for name, part in self.parts if isinstance(part, Neurons))

    def network(self, **options: Any) -> Network:
        """The chain as a network, its weights not yet on a grid. options: of `Units.network`.

        Raises UnsupportedError for a part that no network has, by its name, and NetworkError for
        invalid values.
        """
        return self.units().network(**options)

    def units(self) -> Units:
        """Neurons and outputs, each with the parts before it. Raises UnsupportedError."""
        out = _Builder(self)
        for k, (name, part) in enumerate(self.parts):
            if out.done:
                raise UnsupportedError(
                    f"{name}: comes after neurons that never fire, which must be the last layer"
                )
            if isinstance(part, Neurons | Integrator):
                out.add(k, name, part)
        if not out.done:
            out.add(len(self.parts), OUTPUT, None)
        return out.units


class _Builder:
    """Makes the units of a chain. sizes: values that each part sends that is a unit, and the input."""

    def __init__(self, chain: Chain) -> None:
        self.chain, self.done = chain, False
        self.units = Units(chain.inputs, remarks=chain.remarks)
        self.names, self.sizes = {INPUT_PART: INPUT}, {INPUT_PART: chain.inputs}

    def add(self, k: int, name: str, part: Neurons | Integrator | None) -> None:
        chain = self.chain
        paths: list[Path] = []
        for source, parts in self._to(chain.before[k] if part is not None else chain._here):
            paths += _paths(self.names[source], parts, self.sizes[source])
        terms = [term_of(path) for path in paths]
        self.names[k] = self._unique(name)
        self.sizes[k] = terms[0].weights.outputs
        self.units.units.append(Unit(self.names[k], part, tuple(paths)))
        self.done = isinstance(part, Integrator)

    def _to(self, sources: Sequence[int]) -> list[tuple[int, list[Named]]]:
        """The paths that end in a sum: where each begins, and its parts; a bias is on one of them."""
        out: list[tuple[int, list[Named]]] = []
        for k in sources:
            if k in self.names:
                out.append((k, []))
                continue
            name, part = self.chain.parts[k]
            assert not isinstance(part, Neurons | Integrator)
            before = self._to(self.chain.before[k])
            if isinstance(part, Peak) and len(before) > 1:
                raise UnsupportedError(
                    f"{name}: the largest of sums with several sources; put neurons before"
                )
            out += [
                (source, [*parts, (name, _unbiased(part) if i else part)])
                for i, (source, parts) in enumerate(before)
            ]
        return out

    def _unique(self, name: str) -> str:
        taken = {unit.name for unit in self.units.units}
        while name in taken:
            name = f"{name}_"
        return name


def _paths(source: str, parts: Sequence[Named], size: int) -> tuple[Path, ...]:
    """The path of these parts, or one for each of the delays that its synapses have."""
    at = next((k for k, (_, p) in enumerate(parts) if isinstance(p, SynapticWeights)), None)
    if at is None:
        return (Path(source, tuple(parts), size),)
    name, own = parts[at]
    assert isinstance(own, SynapticWeights)
    behind = [(n, _unbiased(p)) for n, p in parts[at + 1 :]]
    return tuple(
        Path(source, (*parts[:at], (name, each), *(behind if k else parts[at + 1 :])), size)
        for k, each in enumerate(own.each())
    )


def _unbiased(part: OnPath) -> OnPath:
    if isinstance(part, SynapticWeights):
        return replace(part, bias=np.zeros_like(part.bias))
    return linear_parts.unbiased(part) if isinstance(part, LinearPart) else part
