"""A foreign model as units joined by paths, and the frozen `Network` made of it.

Units are its populations and its outputs, in their order. Where each takes what the one before sends,
and perhaps its own spikes, the network is a chain of layers; else a graph of populations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.errors import UnsupportedError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.linear_parts import Affine, Scale
from delrec_compile.interop.parts import Integrator, Neurons, Part, named
from delrec_compile.interop.paths import Path, Term, joined, synapses_of, term_of
from delrec_compile.network.model import (
    INPUT,
    Convolution,
    Dense,
    Layer,
    LeakyReadout,
    LinearReadout,
    Network,
    Neuron,
    Population,
    Projection,
    Readout,
    Synapses,
    SynapticReadout,
)
from delrec_compile.network.population import RESERVED
from delrec_compile.ops.feed import Feed

SPIKE_DECISION = "sum"  # decision of a model whose outputs are its last spikes
MAX_NAME = 40


@dataclass(frozen=True, eq=False)
class Unit:
    """A population or an output. name: in the model. part: None of an output, the sum of its paths."""

    name: str
    part: Neurons | Integrator | None
    paths: tuple[Path, ...]


@dataclass
class Units:
    """Units in their order. remarks: notes on the import for its user."""

    inputs: int
    units: list[Unit] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def parts(self) -> Iterator[tuple[str, Part]]:
        """Every part once, with its name."""
        seen: set[tuple[str, int]] = set()
        for unit in self.units:
            own = [(unit.name, unit.part)] if unit.part is not None else []
            for name, part in [*(p for path in unit.paths for p in path.parts), *own]:
                if (name, id(part)) not in seen:
                    seen.add((name, id(part)))
                    yield name, part

    @property
    def spiking(self) -> tuple[str, ...]:
        """Names of the units that fire, in the order of the network's populations."""
        return tuple(u.name for u in self.units if isinstance(u.part, Neurons))

    def network(
        self,
        *,
        dt_ms: float = 10.0,
        max_input: float | None = None,
        input_bits: int | None = None,
        labels: tuple[str, ...] = (),
        name: str = "network",
        decision: str | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> Network:
        """The units as a network, its weights not yet on a grid.

        max_input: by default 31, of real inputs 1.

        Raises UnsupportedError for a part that no network has, by its name, and NetworkError for
        invalid values.
        """
        if not self.spiking:
            raise UnsupportedError("the model has no spiking layer; at least one is required")
        populations = _Assembler(self).populations(decision)
        most = (31 if input_bits is None else 1) if max_input is None else max_input
        own = dict(notes or {})
        if (chain := _layers(populations)) is not None:
            return Network(*chain, dt_ms, most, labels, name, own, input_bits)
        self.remarks += [_told(self.units, populations)]
        options = {"dt_ms": dt_ms, "max_input": most, "input_bits": input_bits}
        return Network.of(populations, labels=labels, name=name, notes=own, **options)


def names_of(units: Sequence[str]) -> dict[str, str]:
    """C names of populations, by their names in the model."""
    out: dict[str, str] = {}
    for unit in units:
        plain = re.sub(r"[^a-z0-9_]+", "_", unit.lower()).strip("_")
        plain = plain if plain[:1].isalpha() else f"p{plain}"
        stem, k = plain[:MAX_NAME], 1
        while (stem in RESERVED) or stem in out.values():
            k += 1
            stem = f"{plain[: MAX_NAME - 4]}_{k}"
        out[unit] = stem
    return out


def _told(units: Sequence[Unit], populations: Sequence[Population]) -> str:
    """What the network is called where it is no chain."""
    told = [
        p.name if p.name == u.name else f"{p.name} ('{u.name}')"
        for u, p in zip(units, populations, strict=True)
    ]
    return f"the network is a graph of {len(told)} populations: {', '.join(told)}"


class _Assembler:
    """Makes the populations; paths with the same parts share their synapses."""

    def __init__(self, own: Units) -> None:
        self.units = own.units
        self.names = names_of([u.name for u in own.units]) | {INPUT: INPUT}
        self.made: dict[tuple[int, ...], Synapses | Feed] = {}

    def populations(self, decision: str | None) -> list[Population]:
        out = []
        for unit in self.units:
            made = self._population(unit)
            if decision is not None and isinstance(made.neuron, Readout):
                made = replace(made, neuron=replace(made.neuron, decision=decision))
            out.append(made)
        return out

    def _population(self, unit: Unit) -> Population:
        part, name = unit.part, self.names[unit.name]
        with named(unit.name):
            projections, constant = self._projections(unit)
            if isinstance(part, Neurons):
                projections += [Projection(name, each) for each in part.recurrences]
                constant = constant + (
                    0 if part.constant_current is None else part.constant_current
                )
                return Population(
                    name, part.neuron, tuple(projections), _bias(constant, projections)
                )
            bias = constant.astype(np.float32)
            if isinstance(part, Integrator):
                readout = _leaky(part, bias)
            else:
                spikes = all(not path.parts for path in unit.paths)
                readout = LinearReadout.in_graph(bias)
                readout = replace(readout, decision=SPIKE_DECISION) if spikes else readout
            return Population(name, readout, tuple(projections))

    def _projections(self, unit: Unit) -> tuple[list[Projection], Any]:
        """The projections from other units, and the constant current (N,)."""
        out: list[Projection] = []
        constants: list[Any] = []
        for source in dict.fromkeys(p.source for p in unit.paths):
            paths = [p for p in unit.paths if p.source == source]
            terms = joined([self._term(unit, p) for p in paths])
            shared = len(terms) == len(paths)
            for term, path in zip(terms, paths, strict=False):
                key = (*path.key, isinstance(unit.part, Neurons)) if shared else (id(term),)
                if key not in self.made:
                    with named(path.parts[-1][0] if path.parts else unit.name):
                        self.made[key] = synapses_of(term)
                out.append(Projection(self.names[source], self.made[key]))
                constants.append(term.constant)
        sizes = sorted({p.synapses.size for p in out})
        if len(sizes) > 1:
            raise UnsupportedError(
                f"{unit.name}: takes the sum of {sizes} values; one size is required"
            )
        return out, np.sum(constants, axis=0)

    def _term(self, unit: Unit, path: Path) -> Term:
        """The path as a term; that of an output has its gain, and is a product."""
        term = term_of(path)
        if isinstance(unit.part, Neurons):
            return term
        if (
            isinstance(term.weights, linear_parts.Convolution)
            and term.weights.maps.peak is not None
        ):
            raise UnsupportedError(
                f"{path.parts[-1][0]}: takes the largest of sums that are outputs; put neurons behind it"
            )
        gain = unit.part.gain if isinstance(unit.part, Integrator) else 1.0
        size = term.weights.outputs
        scaled = linear_parts.fold(
            [linear_parts.dense(term.weights), Scale(np.broadcast_to(gain, size), np.zeros(size))],
            size,
        )
        assert isinstance(scaled, Affine)
        return replace(term, weights=scaled)


def _leaky(part: Integrator, bias: F32) -> Readout:
    if part.alpha is None:
        return LeakyReadout.in_graph(bias, beta=part.beta)
    own = {"alpha": part.alpha, "enters": part.enters}
    return SynapticReadout.in_graph(bias, beta=part.beta, **own)


def _bias(constant: Any, projections: Sequence[Projection]) -> F32:
    """Biases (N,); those of a chain's convolution are one for each of its channels."""
    first = projections[0].synapses
    own = np.asarray(constant, np.float64)
    if isinstance(first, Convolution):
        channels = own.reshape(first.maps.out[0], -1)
        if (channels == channels[:, :1]).all():
            own = channels[:, 0]
    return own.astype(np.float32)


def _layers(populations: Sequence[Population]) -> tuple[tuple[Layer, ...], Readout] | None:
    """The populations as a chain's layers and readout, or None if they are no chain."""
    layers, source = [], INPUT
    for p in populations[:-1]:
        feeds = [q for q in p.projections if q.source == source]
        own = [q.synapses for q in p.projections if q.source == p.name]
        if len(feeds) != 1 or len(own) > 1 or len(p.projections) != 1 + len(own):
            return None
        feed = feeds[0].synapses
        if not isinstance(feed, Feed) or not isinstance(p.neuron, Neuron):
            return None
        maps = feed.maps if isinstance(feed, Convolution) else None
        recurrence = next((s for s in own if isinstance(s, Synapses)), None)
        layers.append(Layer(feed.matrix, p.bias, p.neuron, recurrence, maps))
        source = p.name
    last = populations[-1]
    feeds = [q for q in last.projections if q.source == source]
    if len(feeds) != 1 or len(last.projections) != 1 or not isinstance(last.neuron, Readout):
        return None
    feed = feeds[0].synapses
    return (
        (tuple(layers), replace(last.neuron, weight=feed.matrix))
        if isinstance(feed, Dense)
        else None
    )
