"""A NIR graph as paths from neurons to neurons: forward, and back to themselves.

Subgraphs are flattened first. Between neurons, each node has one edge in and one out. Nodes that are
not on a path from the input to the output are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from delrec_compile.errors import UnsupportedError

NEURONS = ("LIF", "IF", "LI", "I", "CubaLIF", "CubaLI", "Threshold")
PASS_THROUGH = ("Input", "Output", "Identity")


@dataclass(frozen=True)
class Stop:
    """A neuron node or the output, the path of nodes before it, and the feedback paths to itself."""

    name: str
    path: tuple[str, ...]
    loops: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Walk:
    """The path through a graph. nodes: by name. source: the input. stops: in order, the output last."""

    nodes: dict[str, Any]
    source: str
    stops: tuple[Stop, ...]


def walk(graph: Any) -> Walk:
    """The path of a graph from its input to its output.

    Raises UnsupportedError for several inputs or outputs, branches, and nodes on no path.
    """
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    _flatten(graph, "", nodes, edges)
    sources = [n for n in graph.nodes if kind(nodes.get(n)) == "Input"]
    ends = [n for n in graph.nodes if kind(nodes.get(n)) == "Output"]
    if len(sources) != 1 or len(ends) != 1:
        raise UnsupportedError(
            f"the NIR graph has {len(sources)} inputs and {len(ends)} outputs; one of each is required"
        )
    paths = _Paths(nodes, edges)
    stops, path = [], tuple(paths.follow(sources[0], sources[0]))
    seen = {sources[0]}
    while True:
        name = path[-1]
        loops = paths.loops(name) if name != ends[0] else ()
        stops.append(Stop(name, path[:-1], loops))
        seen.update(path, *loops)
        if name == ends[0]:
            break
        paths.check_inputs(name, len(loops))
        onward = [p for p in paths.onward(name) if p[-1] != name]
        if len(onward) != 1:
            ends_at = ", ".join(sorted(p[-1] for p in onward)) or "nothing"
            raise UnsupportedError(
                f"{name}: sends its spikes on to {len(onward)} others ({ends_at}); one is required"
            )
        path = onward[0]
        if path[-1] in seen:
            raise UnsupportedError(
                f"{name}: feeds {path[-1]}, an earlier layer; a layer may only feed itself back"
            )
    if left := sorted(n for n in nodes if n not in seen):
        raise UnsupportedError(f"{left[0]}: is not on any path from the input to the output")
    return Walk(nodes, sources[0], tuple(stops))


def flattened(graph: Any) -> dict[str, Any]:
    """The nodes of a graph and its subgraphs, by dotted name. Raises UnsupportedError."""
    nodes: dict[str, Any] = {}
    _flatten(graph, "", nodes, [])
    return nodes


def kind(node: Any) -> str:
    """The name of a node's type."""
    return type(node).__name__


def _flatten(graph: Any, prefix: str, nodes: dict[str, Any], edges: list[tuple[str, str]]) -> None:
    """Collects nodes by dotted name; inputs and outputs of subgraphs become pass-through nodes."""
    inner = {n: node for n, node in graph.nodes.items() if hasattr(node, "nodes")}
    for name, node in graph.nodes.items():
        if name in inner:
            _flatten(node, f"{prefix}{name}.", nodes, edges)
        else:
            nodes[prefix + name] = node
    for begin, end in dict.fromkeys((str(a), str(b)) for a, b in graph.edges):
        for name in (begin, end):
            if name not in graph.nodes:
                raise UnsupportedError(
                    f"the NIR graph has an edge of '{name}', which is not a node"
                )
        a = f"{begin}.{_gate(inner[begin], 'Output', begin)}" if begin in inner else begin
        b = f"{end}.{_gate(inner[end], 'Input', end)}" if end in inner else end
        edges.append((prefix + a, prefix + b))


def _gate(graph: Any, wanted: str, name: str) -> str:
    gates = [n for n, node in graph.nodes.items() if kind(node) == wanted]
    if len(gates) != 1:
        raise UnsupportedError(
            f"{name}: a subgraph with {len(gates)} {wanted} nodes; one is required"
        )
    return str(gates[0])


class _Paths:
    """Edges of a flattened graph, and the paths along them."""

    def __init__(self, nodes: dict[str, Any], edges: list[tuple[str, str]]) -> None:
        self.nodes = nodes
        self.after: dict[str, list[str]] = {n: [] for n in nodes}
        self.before: dict[str, list[str]] = {n: [] for n in nodes}
        for a, b in edges:
            self.after[a].append(b)
            self.before[b].append(a)

    def follow(self, start: str, first: str) -> Iterator[str]:
        """Yields the nodes after `start` through `first`, up to a neuron or the output."""
        here = self._only(start) if first == start else first
        passed = {start}
        while True:
            yield here
            if kind(self.nodes[here]) in NEURONS or not self.after[here]:
                return
            if here in passed:
                raise UnsupportedError(f"{here}: is in a cycle without neurons")
            passed.add(here)
            if len(self.before[here]) > 1:
                met = ", ".join(sorted(self.before[here]))
                raise UnsupportedError(f"{here}: takes the sum of {met}; only neurons may")
            here = self._only(here)

    def onward(self, name: str) -> list[tuple[str, ...]]:
        """All paths from a neuron to the next neurons, which are their last nodes."""
        return [tuple(self.follow(name, first)) for first in self._split(name)]

    def loops(self, name: str) -> tuple[tuple[str, ...], ...]:
        """Paths from a neuron back to itself."""
        return tuple(p for p in self.onward(name) if p[-1] == name)

    def check_inputs(self, name: str, loops: int) -> None:
        """Raises UnsupportedError for a neuron with other inputs than its feedback and one more."""
        if len(self.before[name]) != loops + 1:
            met = ", ".join(sorted(self.before[name]))
            raise UnsupportedError(
                f"{name}: takes the sum of {met}; a layer has its own feedback and one other input"
            )

    def _split(self, name: str) -> list[str]:
        """Nodes that a neuron feeds; pass-through nodes may split too."""
        out: list[str] = []
        for n in self.after[name]:
            through = kind(self.nodes[n]) in PASS_THROUGH and len(self.after[n]) > 1
            out += self._split(n) if through else [n]
        return out

    def _only(self, name: str) -> str:
        if len(self.after[name]) != 1:
            ends = ", ".join(sorted(self.after[name])) or "nothing"
            raise UnsupportedError(f"{name}: feeds {ends}; one node is required")
        return self.after[name][0]
