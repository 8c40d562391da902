"""The populations and projections of a network, as composers of kernels see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from delrec_compile.network.integer.linear import IntegerDense
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.model import INPUT, Network
from delrec_compile.ops import value_line
from delrec_compile.ops.arrivals import Line
from delrec_compile.ops.current_ring import CurrentRing
from delrec_compile.ops.feed import Dense, Feed
from delrec_compile.targets.schedule import Schedule

RING = "ring"  # memory of a delay line


@dataclass(frozen=True)
class Places:
    """Neurons that lie as (row, column, channel)."""

    channels: int
    height: int
    width: int

    @property
    def row(self) -> int:
        """Neurons of a row."""
        return self.width * self.channels

    @property
    def size(self) -> int:
        """Number of neurons."""
        return self.height * self.row


@dataclass(frozen=True, eq=False)
class Edge:
    """A projection. line: its delay line; None without a delay. first: steps until a spike of delay 0
    arrives. in_rows: whether it is a sum of weight rows. synapses: of the network. ring: memory that its
    spikes are pushed to, in place of the line's. taps: how its events are added, of a convolution
    between nodes with `places`.
    """

    source: str
    prefix: str
    sources: int
    synapses: Any
    line: Line | None = None
    first: int = 0
    in_rows: bool = False
    ring: CurrentRing | None = None
    taps: Any = None

    @property
    def of_input(self) -> bool:
        """Whether it comes from the input."""
        return self.source == INPUT


@dataclass(frozen=True, eq=False)
class Node:
    """A population. edges: its projections. part: of the network. fires: whether it is no readout.

    places: of its neurons; None where they lie as in the network. See `map_places`.
    """

    name: str
    size: int
    states: Mapping[str, str]
    edges: tuple[Edge, ...]
    part: Any
    fires: bool = True
    places: Places | None = None

    @property
    def prefix(self) -> str:
        """Prefix of its tables and state."""
        return f"{self.name}_"

    @property
    def feeds(self) -> tuple[Edge, ...]:
        """Projections without a delay."""
        return tuple(edge for edge in self.edges if edge.line is None)

    @property
    def delayed(self) -> tuple[Any, ...]:
        """Projections with a delay line."""
        return tuple(edge for edge in self.edges if edge.line is not None)


Rings = Mapping[tuple[str, int], CurrentRing]  # by population and number of the projection


def nodes_of(
    network: Network | IntegerNetwork, rings: Rings = MappingProxyType({})
) -> tuple[Node, ...]:
    """The populations of a network. rings: of projections whose spikes are pushed."""
    return tuple(_node(network, p, rings) for p in network.populations)


def _node(network: Network | IntegerNetwork, p: Any, rings: Rings) -> Node:
    edges = []
    for k, each in enumerate(p.projections):
        edge, ring = _edge(network, p, each), rings.get((p.name, k))
        edges.append(edge if ring is None else replace(edge, ring=ring))
    return Node(p.name, p.size, p.states, tuple(edges), p, p.fires)


def _edge(network: Network | IntegerNetwork, p: Any, each: Any) -> Edge:
    s = each.synapses
    line = None if isinstance(s, Feed) else s.line
    if line is None:
        in_rows = isinstance(s, Dense | IntegerDense)
        return Edge(each.source, each.prefix, s.sources, s, in_rows=in_rows)
    return Edge(each.source, each.prefix, s.sources, s, line, int(network.closes_cycle(p, each)))


def allowed(schedule: Schedule, network: Network | IntegerNetwork) -> Schedule:
    """The schedule, without a kernel of many steps where cycles between populations forbid it."""
    return schedule if is_layered(nodes_of(network)) else replace(schedule, chunk=0)


def is_layered(nodes: tuple[Node, ...]) -> bool:
    """Whether many steps can go through one node after another: cycles are of a node with itself."""
    return all(
        not edge.first or edge.source == node.name for node in nodes for edge in node.delayed
    )


def state_of(
    nodes: Sequence[Node],
    membrane: str = "float32",
    words: Callable[[Line], int] = lambda line: line.words(),
    values: str = value_line.DTYPE,
) -> dict[str, tuple[int, str]]:
    """State of one stream: (elements, dtype) by name.

    membrane: dtype of the state variables. words: 32-bit words of the memory of a delay line. values:
    dtype of inputs in that of theirs.
    """
    out: dict[str, tuple[int, str]] = {}
    for node in nodes:
        out |= {node.prefix + name: (node.size, membrane) for name in node.states}
        for edge in node.delayed:
            if edge.ring is not None:
                memory = (edge.ring.elements, edge.ring.dtype)
            elif edge.of_input:
                memory = (value_line.elements(edge.line), values)
            else:
                memory = (words(edge.line), "uint32")
            out[node.prefix + edge.prefix + RING] = memory
    out["clock"] = (1, "int32")
    return out
