"""Populations of neurons, and the projections that join them: the network as a graph.

Populations have an order. A projection with delay d from an earlier one, or from the input, arrives at
t + d; one from the population itself or from a later one closes a cycle and arrives at t + 1 + d.
The words are those of PyNN, NEST and Brian.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError, UnsupportedError
from delrec_compile.ops.checks import vector
from delrec_compile.ops.feed import Convolution, Dense, Feed
from delrec_compile.ops.lif import Lif
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.neuron import Neuron
from delrec_compile.ops.readout import Readout
from delrec_compile.ops.synapses import Synapses
from delrec_compile.ops.window import Window

INPUT = "x"  # the source that is no population
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
OR = Lif(0.0, threshold=0.5)  # of whole numbers: fires when any is not 0
RESERVED = (INPUT, "y", "clock", "steps", "streams", "spikes", "places", "work")


@dataclass(frozen=True, eq=False)
class Projection:
    """source: name of a population, or INPUT. synapses: a map, with its delay or without one.

    prefix: of its tables among those of its target, which gives it.
    """

    source: str
    synapses: Synapses | Feed
    prefix: str = ""


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons of one model and all that comes into them: `I = sum of projections + bias`.

    name: a C name. neuron: a neuron model, or a readout, which has biases of its own. bias: (N,), or one
    for each of the channels that the neurons lie in; None: zeros. projections: undelayed ones come
    first. Raises NetworkError.
    """

    name: str
    neuron: Neuron | Readout
    projections: tuple[Projection, ...]
    bias: F32 = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or self.name in RESERVED:
            raise NetworkError(
                f"population '{self.name}': a name is up to 40 small letters, digits and '_', begins "
                f"with a letter, and is none of {', '.join(RESERVED)}"
            )
        if not self.projections:
            raise NetworkError(f"population '{self.name}' has no projection into it")
        object.__setattr__(self, "projections", _keyed(self.name, self.projections))
        sizes = {p.synapses.size for p in self.projections}
        if len(sizes) > 1:
            raise NetworkError(
                f"population '{self.name}': its projections have {sorted(sizes)} receiving neurons; "
                "one size is required"
            )
        self._set_bias()
        for name, own in self._constants().items():
            if len(own) != self.size:
                raise NetworkError(
                    f"population '{self.name}': {name} for {len(own)} neurons, it has {self.size}"
                )

    def _set_bias(self) -> None:
        bias: Any = np.zeros(self.size) if self.bias is None else self.bias
        if isinstance(self.neuron, Readout):
            bias = self.neuron.step_bias
        object.__setattr__(self, "bias", vector(f"population '{self.name}': bias", bias))
        if self.size % len(self.bias):
            raise NetworkError(
                f"population '{self.name}': {len(self.bias)} biases for {self.size} neurons; one for "
                "each neuron, or for each channel, is required"
            )

    def _constants(self) -> dict[str, F32]:
        if isinstance(self.neuron, Readout):
            return {"readout bias": self.neuron.bias}
        return self.neuron.arrays()

    @property
    def size(self) -> int:
        return self.projections[0].synapses.size

    @property
    def fires(self) -> bool:
        """Whether it sends spikes; a readout gives outputs."""
        return isinstance(self.neuron, Neuron)

    @property
    def model(self) -> Neuron:
        """The neuron model. Raises UnsupportedError for a readout."""
        if isinstance(self.neuron, Readout):
            raise UnsupportedError(f"'{self.name}' is a readout, which does not fire")
        return self.neuron

    @property
    def readout(self) -> Readout:
        """The readout. Raises UnsupportedError for a population that fires."""
        if isinstance(self.neuron, Neuron):
            raise UnsupportedError(f"population '{self.name}' is no readout")
        return self.neuron

    @property
    def states(self) -> Mapping[str, str]:
        """Meaning of each state variable of the neurons, by name."""
        return self.neuron.states

    @property
    def biases(self) -> F32:
        """Bias of each neuron, (size,)."""
        return np.repeat(self.bias, self.size // len(self.bias))

    @property
    def prefix(self) -> str:
        """Prefix of the names of its variables and tables."""
        return f"{self.name}_"

    @property
    def feed(self) -> Projection | None:
        """The first of its projections that has no delay."""
        return next((p for p in self.projections if isinstance(p.synapses, Feed)), None)

    @property
    def feed_takes_bias(self) -> bool:
        """Whether its first undelayed map has a place for its biases: one per row of its weights."""
        feed = self.feed
        return feed is not None and feed.synapses.rows[0].shape[0] == len(self.bias)

    def current(self, lines: Sequence[F32]) -> F32:
        """Current (batch, size) of the line (batch, depth, sources) of each projection."""
        total: Any = np.zeros((len(lines[0]), self.size), np.float32)
        late: tuple[Any, F32] | None = None
        for projection, line in zip(self.projections, lines, strict=True):
            if projection is self.feed:
                late = (projection.synapses, line)
            else:
                total = total + projection.synapses.reference(line)
        total = total + self.biases
        return np.asarray(total if late is None else total + late[0].reference(late[1]))

    def weights(self) -> list[F32]:
        """The weights of all its projections."""
        return [w for p in self.projections for w in p.synapses.weights.values()]


def max_pool(name: str, source: str, shape: tuple[int, int, int], window: Window) -> Population:
    """A population without memory that fires where a neuron of its window fires: the largest of spikes.

    shape: of the source, (channels, height, width). A sum of spikes is a whole number, so any threshold
    up to 1 has the same meaning; one half is far from 0 and from 1 in every number format.
    """
    return Population(name, OR, (Projection(source, Convolution.pooling(shape, window)),))


def _keyed(name: str, projections: Sequence[Projection]) -> tuple[Projection, ...]:
    """Undelayed maps first; each with its prefix, which those of a chain's layer do without."""
    ordered = sorted(projections, key=lambda p: not isinstance(p.synapses, Feed))
    own = [p for p in ordered if p.source == name]
    plain = [p for p in (ordered[0],) if isinstance(p.synapses, Feed)] + own[:1]
    return tuple(
        replace(p, prefix="" if any(p is q for q in plain) else f"p{k}_")
        for k, p in enumerate(ordered)
    )


def checked_order(populations: Sequence[Population]) -> tuple[Population, ...]:
    """The populations with every undelayed cycle given its one step. Raises NetworkError."""
    names = [p.name for p in populations]
    for name in names:
        if names.count(name) > 1:
            raise NetworkError(f"two populations are called '{name}'; names must differ")
    sizes = {p.name: p.size for p in populations}
    readouts = [p.name for p in populations if not p.fires]
    if not readouts:
        raise NetworkError("the network has no readout; one population with a readout is required")
    out, before = [], {INPUT}
    for population in populations:
        projections = tuple(
            _checked(population, p, sizes, readouts, before) for p in population.projections
        )
        out.append(replace(population, projections=projections))
        before.add(population.name)
    return tuple(out)


def _checked(
    target: Population,
    projection: Projection,
    sizes: Mapping[str, int],
    readouts: Sequence[str],
    before: set[str],
) -> Projection:
    source, synapses = projection.source, projection.synapses
    where = f"population '{target.name}': its projection from '{source}'"
    if source != INPUT and source not in sizes:
        raise NetworkError(f"{where}: no such population; there are {', '.join([INPUT, *sizes])}")
    if source in readouts:
        raise NetworkError(f"{where}: a readout sends no spikes")
    if source != INPUT and synapses.sources != sizes[source]:
        raise NetworkError(
            f"{where} takes {synapses.sources} values; the population has {sizes[source]} neurons"
        )
    if source in before or not isinstance(synapses, Feed):
        return projection
    return replace(projection, synapses=_after_a_step(where, synapses))


def _after_a_step(where: str, feed: Feed) -> Synapses:
    """The same map with delays of 0, for an edge that closes a cycle. Raises UnsupportedError."""
    from delrec_compile.ops.channel_conv_delay import ChannelConvDelay
    from delrec_compile.ops.conv2d_delay import Conv2dDelay
    from delrec_compile.ops.dense_delay import DenseDelay

    if isinstance(feed, Dense):
        return DenseDelay(feed.weight, np.zeros(feed.sources, np.int32))
    assert isinstance(feed, Convolution)
    m = feed.maps
    rows, columns = m.kernel[2:]
    if rows == columns and m.node == "Maps" and _keeps_places(m):
        return Conv2dDelay(feed.kernel[None], m.height, m.width)
    try:
        return ChannelConvDelay.of_maps(feed.kernel, m, np.zeros(m.inputs, np.int32))
    except NetworkError as error:
        raise UnsupportedError(f"{where} closes a cycle: {error}") from error


def _keeps_places(m: Maps) -> bool:
    """Whether a convolution between all channels leaves every map as large as it is."""
    same = m.kernel[2] // 2, m.kernel[3] // 2
    odd = all(k % 2 for k in m.kernel[2:])
    return odd and (m.stride, m.groups, m.pad, m.window.ends) == ((1, 1), 1, same, same)
