"""The network as a drawing: populations in layers from the input down, projections between them.

A layer lies below those it takes spikes from; projections that close a cycle do not count for that.
Within a layer the order is that of the mean place of the neighbours (the barycenter rule of Sugiyama,
Tagawa and Toda, 1981). A projection over several layers bends around what lies between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from delrec_compile.evaluation.picture import delays
from delrec_compile.network.model import INPUT

HEIGHT, ROW, GAP = 46, 104, 36  # of a box; from one layer to the next; between boxes
LETTER, PAD, LEAST = 7.4, 28, 96  # width of a letter, room around the words, narrowest box
LOOP, LANE, MARGIN = 30, 16, 12  # how far a loop reaches out; to an outer lane; around all
LINE = 14  # from one label to the next
SWEEPS = 8
LABEL = 6.6  # width of a letter of a label


@dataclass(frozen=True)
class Box:
    """A population. x, y: its centre at the top. kind: input, spiking or readout."""

    name: str
    detail: str
    kind: str
    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Edge:
    """A projection. d: its path. label: its delays, from (x, y) on, or up to there
    where `before` is set; or empty. title: it in words."""

    d: str
    label: str
    x: float
    y: float
    kind: str
    title: str
    before: bool = False


@dataclass(frozen=True)
class Graph:
    """The drawing, in pixels. shift: by which it is moved to the right. label: it in words."""

    width: float
    height: float
    shift: float
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    label: str
    template: ClassVar[str] = "graph"


def graph(summary: Mapping[str, Any]) -> Graph:
    """The drawing of a network. summary: see `network.summary`."""
    ranks = layers_of(summary)
    order = ordered(ranks, [(p["source"], p["target"]) for p in summary["projections"]])
    boxes = {b.name: b for b in _placed(summary, order)}
    edges, left, right = _edges(summary, boxes, ranks)
    return Graph(
        round(right - left + 2 * MARGIN),
        round(max(b.y for b in boxes.values()) + HEIGHT + MARGIN),
        round(MARGIN - left, 1),
        tuple(boxes.values()),
        tuple(edges),
        _words(summary),
    )


def layers_of(summary: Mapping[str, Any]) -> dict[str, int]:
    """The layer of each population; 0 is the input's."""
    ranks = {INPUT: 0}
    for p in summary["populations"]:
        into = [e for e in summary["projections"] if e["target"] == p["name"]]
        before = [ranks[e["source"]] for e in into if not e["cycle"] and e["source"] in ranks]
        ranks[p["name"]] = 1 + max(before, default=0)
    return ranks


def ordered(ranks: Mapping[str, int], edges: Sequence[tuple[str, str]]) -> list[list[str]]:
    """The names of each layer from left to right."""
    layers: list[list[str]] = [[] for _ in range(max(ranks.values()) + 1)]
    for name, rank in ranks.items():
        layers[rank].append(name)
    place = {n: k - (len(layer) - 1) / 2 for layer in layers for k, n in enumerate(layer)}
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            means = {name: _mean(name, edges, place, ranks, down) for name in layer}
            layer.sort(key=means.__getitem__)
            place |= {n: k - (len(layer) - 1) / 2 for k, n in enumerate(layer)}
    return layers


def _mean(
    name: str,
    edges: Sequence[tuple[str, str]],
    place: Mapping[str, float],
    ranks: Mapping[str, int],
    above: bool,
) -> float:
    """The mean place of the neighbours above, or below; its own without any."""
    pairs = [(a, b) for a, b in edges if name in (a, b)]
    near = [a if b == name else b for a, b in pairs if a != b]
    side = [place[n] for n in near if (ranks[n] < ranks[name]) == above and ranks[n] != ranks[name]]
    return sum(side) / len(side) if side else place[name]


def _placed(summary: Mapping[str, Any], order: Sequence[Sequence[str]]) -> list[Box]:
    words = {INPUT: (f"{summary['inputs']:,} inputs", "input")}
    for p in summary["populations"]:
        what = f"{p['size']:,} {p['model']}"
        words[p["name"]] = (what, "spiking" if p["fires"] else "readout")
    out = []
    for rank, layer in enumerate(order):
        widths = [max(LEAST, LETTER * max(len(n), len(words[n][0])) + PAD) for n in layer]
        x = -(sum(widths) + GAP * (len(layer) - 1)) / 2
        for name, width in zip(layer, widths, strict=True):
            detail, kind = words[name]
            out.append(Box(name, detail, kind, x + width / 2, MARGIN + rank * ROW, width))
            x += width + GAP
    return out


def _edges(
    summary: Mapping[str, Any], boxes: Mapping[str, Box], ranks: Mapping[str, int]
) -> tuple[list[Edge], float, float]:
    """The projections, and how far they, their labels and the boxes reach to both sides."""
    out, seen, outer = [], dict[tuple[str, str], int](), []
    for p in summary["projections"]:
        a, b = boxes[p["source"]], boxes[p["target"]]
        again = seen[a.name, b.name] = seen.get((a.name, b.name), -1) + 1
        if a is b:
            out.append(_loop(p, a, again))
        elif ranks[b.name] == ranks[a.name] + 1:
            out.append(_straight(p, a, b, again))
        else:
            outer.append((p, a, b))
    left = min(b.x - b.width / 2 for b in boxes.values())
    right = max([*(b.x + b.width / 2 for b in boxes.values()), *map(_end, out)])
    for k, (p, a, b) in enumerate(outer):
        back = b.y <= a.y
        lane = left - LANE if back else right + LANE
        edge = _around(p, a, b, lane, k)
        out.append(edge)
        left, right = (edge.x - _width(edge), right) if back else (left, _end(edge))
    return out, left, right


def _width(e: Edge) -> float:
    return LABEL * len(e.label)


def _end(e: Edge) -> float:
    return e.x + (0 if e.before else _width(e))


def _loop(p: Mapping[str, Any], a: Box, again: int) -> Edge:
    """From a box to itself, at its right."""
    x, out = a.x + a.width / 2, LOOP * (1 + 0.35 * again)
    y, rise = a.y + HEIGHT * 0.24, HEIGHT * 0.52
    d = f"M{x:.1f} {y:.1f}c{out:.1f} 0 {out:.1f} {rise:.1f} 0 {rise:.1f}"
    return _edge(p, d, x + out * 0.78 + 4, a.y + HEIGHT / 2 + 4 + LINE * again)


def _straight(p: Mapping[str, Any], a: Box, b: Box, again: int) -> Edge:
    """From a layer to the next one."""
    aside = 14 * again
    x1, y1, x2, y2 = a.x + aside, a.y + HEIGHT, b.x + aside, b.y
    bend = (y2 - y1) / 2
    d = f"M{x1:.1f} {y1:.1f}C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2:.1f}"
    return _edge(p, d, (x1 + x2) / 2 + 7, (y1 + y2) / 2 + 4 + LINE * again)


def _around(p: Mapping[str, Any], a: Box, b: Box, lane: float, k: int) -> Edge:
    """Over several layers, or back: in a lane of its own beside all boxes, from below to above."""
    side = 1 if lane > a.x else -1
    off = side * (26 + 5 * (k % 4))
    x1, y1, x2, y2 = a.x + off, a.y + HEIGHT, b.x + off, b.y
    low, high = y1 + 10 + 5 * (k % 4), y2 - 14 - 5 * (k % 4)
    d = f"M{x1:.1f} {y1:.1f}V{low:.1f}H{lane:.1f}V{high:.1f}H{x2:.1f}V{y2:.1f}"
    return _edge(p, d, lane + 4 * side, (low + high) / 2 + 4, before=side < 0)


def _edge(p: Mapping[str, Any], d: str, x: float, y: float, *, before: bool = False) -> Edge:
    kind = "delayed" if p["delays"] is not None else "plain"
    return Edge(d, delays(p), round(x, 1), round(y, 1), kind, _sentence(p), before)


def _sentence(p: Mapping[str, Any]) -> str:
    """A projection in words."""
    text = f"{p['source']} to {p['target']}: {p['map']}, {p['parameters']:,} parameters"
    late = delays(p)
    return text + (f", delays of {late} steps" if late else "")


def _words(summary: Mapping[str, Any]) -> str:
    return "Graph of the network. " + "; ".join(_sentence(p) for p in summary["projections"]) + "."
