"""A NIR graph as neurons and outputs, in an order, with the routes that lead to each.

Subgraphs are flattened first. A route goes from the input or from neurons through nodes that compute
in no time. One that comes from the neurons themselves, or from later ones, closes a cycle. Nodes that
are not on a route from the input to an output are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from delrec_compile.errors import UnsupportedError

NEURONS = ("LIF", "IF", "LI", "I", "CubaLIF", "CubaLI", "Threshold")
PASS_THROUGH = ("Input", "Output", "Identity")
MAX_ROUTES = 64  # to one node


@dataclass(frozen=True)
class Route:
    """source: the input or neurons. nodes: between, in order. biased: whether each counts its bias.

    Where values meet before a node, the node is on several routes, and its bias counts on the first.
    closes: whether the route comes from its target or from a later one.
    """

    source: str
    nodes: tuple[str, ...] = ()
    biased: tuple[bool, ...] = ()
    closes: bool = False

    def through(self, name: str, biased: bool) -> Route:
        return replace(self, nodes=(*self.nodes, name), biased=(*self.biased, biased))


@dataclass(frozen=True)
class Stop:
    """A neuron node or an output, and the routes to it: those that close a cycle come last."""

    name: str
    routes: tuple[Route, ...]

    @property
    def forward(self) -> tuple[Route, ...]:
        return tuple(r for r in self.routes if not r.closes)

    @property
    def closing(self) -> tuple[Route, ...]:
        return tuple(r for r in self.routes if r.closes)


@dataclass(frozen=True)
class Walk:
    """nodes: by name. source: the input. stops: in order, outputs last.

    filters: integrators on the routes, by name, each with neurons behind it. currents: neurons by name,
    each with the integrator that is its synaptic current. See `filters`.
    """

    nodes: dict[str, Any]
    source: str
    stops: tuple[Stop, ...]
    filters: Mapping[str, str] = field(default_factory=dict)
    currents: Mapping[str, str] = field(default_factory=dict)


def walk(graph: Any, order: Sequence[str] = ()) -> Walk:
    """The neurons and outputs of a graph, in the order in which values pass.

    order: names of neurons and outputs where the graph's writer told them; of all but those outputs that
    are of neurons which never fire.

    Raises UnsupportedError for several inputs, no output, and nodes on no route.
    """
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    _flatten(graph, "", nodes, edges)
    sources = [n for n in graph.nodes if kind(nodes.get(n)) == "Input"]
    ends = [n for n in graph.nodes if kind(nodes.get(n)) == "Output"]
    if len(sources) != 1 or not ends:
        raise UnsupportedError(
            f"the NIR graph has {len(sources)} inputs and {len(ends)} outputs; one input and an output "
            "are required"
        )
    _check_reach(nodes, edges, sources[0], ends)
    reached = dict.fromkeys(b for _, b in edges)  # files keep the order of edges, not that of nodes
    ends = [n for n in reached if n in ends]
    stops = [n for n in reached if n in ends or kind(nodes[n]) in NEURONS]
    routes = _routes(nodes, edges, {sources[0], *stops})
    found = _order(sources[0], ends, {n: routes[n] for n in stops})
    told = [*order, *(n for n in found if n not in order)]
    order = told if sorted(told) == sorted(found) else found
    place = {n: k for k, n in enumerate([sources[0], *order])}
    return Walk(nodes, sources[0], tuple(_stop(n, routes[n], place) for n in order))


def _stop(name: str, routes: Sequence[Route], place: Mapping[str, int]) -> Stop:
    told = [replace(r, closes=place[r.source] >= place[name]) for r in routes]
    return Stop(name, tuple(sorted(told, key=lambda r: r.closes)))


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


def _check_reach(
    nodes: Mapping[str, Any], edges: Sequence[tuple[str, str]], source: str, ends: Sequence[str]
) -> None:
    """Raises UnsupportedError for a node that the input does not reach, or that reaches no output."""
    behind = _reached([source], edges)
    before = _reached(ends, [(b, a) for a, b in edges])
    if left := sorted(n for n in nodes if n not in behind or n not in before):
        raise UnsupportedError(f"{left[0]}: is not on any path from the input to an output")
    fed = {a for a, _ in edges} & set(ends)
    if fed:
        raise UnsupportedError(f"{min(fed)}: an output that feeds other nodes")


def _reached(starts: Sequence[str], edges: Sequence[tuple[str, str]]) -> set[str]:
    after: dict[str, list[str]] = {}
    for a, b in edges:
        after.setdefault(a, []).append(b)
    seen, todo = set(starts), list(starts)
    while todo:
        for name in after.get(todo.pop(), ()):
            if name not in seen:
                seen.add(name)
                todo.append(name)
    return seen


def _routes(
    nodes: Mapping[str, Any], edges: Sequence[tuple[str, str]], stops: set[str]
) -> dict[str, list[Route]]:
    """The routes to each stop. stops: the input too. Raises UnsupportedError."""
    before: dict[str, list[str]] = {n: [] for n in nodes}
    for a, b in edges:
        before[b].append(a)
    sent = {n: [Route(n)] for n in stops}
    waiting = [n for n in nodes if n not in stops]
    while waiting:
        ready = [n for n in waiting if all(b in sent for b in before[n])]
        if not ready:
            raise UnsupportedError(f"{waiting[0]}: is in a cycle without neurons")
        for name in ready:
            met = [r for b in before[name] for r in sent[b]]
            sent[name] = [r.through(name, k == 0) for k, r in enumerate(met)]
            if len(met) > MAX_ROUTES:
                raise UnsupportedError(
                    f"{name}: {len(met)} paths lead to it; up to {MAX_ROUTES} are allowed"
                )
        waiting = [n for n in waiting if n not in sent]
    return {n: [r for b in before[n] for r in sent[b]] for n in stops}


def _order(source: str, ends: Sequence[str], routes: Mapping[str, list[Route]]) -> list[str]:
    """The stops in the order in which values pass, outputs last."""
    after: dict[str, list[str]] = {source: [], **{n: [] for n in routes}}
    for name, own in routes.items():
        for route in own:
            if name not in after[route.source]:
                after[route.source].append(name)
    found, closing = _depth_first(source, after)
    found = [n for n in found if n not in ends] + [n for n in ends if n in found]
    order: list[str] = []
    while len(order) < len(found):
        placed = {source, *order}
        for name in found:
            needs = {r.source for r in routes[name]} - {a for a, b in closing if b == name}
            if name not in placed and needs <= placed:
                order.append(name)
                break
    return order


def _depth_first(
    source: str, after: Mapping[str, list[str]]
) -> tuple[list[str], set[tuple[str, str]]]:
    """The stops as a search finds them, and the pairs that close a cycle."""
    found: list[str] = []
    closing: set[tuple[str, str]] = set()
    path, todo = [source], [iter(after[source])]
    while path:
        name = next(todo[-1], None)
        if name is None:
            path.pop()
            todo.pop()
        elif name in path:
            closing.add((path[-1], name))
        elif name not in found:
            found.append(name)
            path.append(name)
            todo.append(iter(after[name]))
    return found, closing
