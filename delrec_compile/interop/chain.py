"""A foreign model as a chain of parts in order.

The importers of modules describe their model by these parts. A part that no network has is refused,
by the name that it has in its model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from delrec_compile.errors import UnsupportedError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.assembly import Unit, Units
from delrec_compile.interop.linear_parts import LinearPart
from delrec_compile.interop.parts import Integrator, Neurons, OnPath, Part, SynapticWeights
from delrec_compile.interop.paths import Named, Path, term_of
from delrec_compile.network.model import INPUT, Network

OUTPUT = "out"  # name of the readout of a model that ends with weights or with spikes


@dataclass
class Chain:
    """Parts with their names, in order. remarks: notes on the import for its user."""

    inputs: int
    parts: list[tuple[str, Part]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, name: str, part: Part) -> None:
        self.parts.append((name, part))

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
        out = Units(self.inputs, remarks=self.remarks)
        source, size = INPUT, self.inputs
        pending: list[Named] = []
        done = ""
        for name, part in self.parts:
            if done:
                raise UnsupportedError(
                    f"{name}: comes after neurons that never fire, which must be the last layer"
                )
            if not isinstance(part, Neurons | Integrator):
                pending.append((name, part))
                continue
            paths = _paths(source, pending, size)
            source, size, pending = self._unique(name, out), term_of(paths[0]).weights.outputs, []
            out.units.append(Unit(source, part, paths))
            done = name if isinstance(part, Integrator) else ""
        if not done:
            paths = _paths(source, pending, size)
            term_of(paths[0])
            out.units.append(Unit(self._unique(OUTPUT, out), None, paths))
        return out

    def _unique(self, name: str, units: Units) -> str:
        taken = {unit.name for unit in units.units}
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
    return linear_parts.unbiased(part) if isinstance(part, LinearPart) else part
