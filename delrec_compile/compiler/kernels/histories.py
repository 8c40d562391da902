"""Axonal delay lines that the schedule holds as history: which, their tables and their state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from delrec_compile.compiler.kernels.nodes import RING, Edge, Node
from delrec_compile.ops.arrivals import READ, Axonal
from delrec_compile.ops.masked_history import DTYPE, MaskedHistory, vector
from delrec_compile.targets.schedule import WORD, Schedule

PLANES = 4  # times the lanes: with more, setting a bit for each spike may cost less


def with_histories(nodes: Sequence[Node], schedule: Schedule) -> tuple[Node, ...]:
    """The nodes, with a `MaskedHistory` for the line of each projection that it is made for."""
    if not schedule.masks or any(node.places for node in nodes):
        return tuple(nodes)
    return tuple(
        replace(node, edges=tuple(_masked(edge, schedule) for edge in node.edges)) for node in nodes
    )


def _masked(edge: Edge, schedule: Schedule) -> Edge:
    line = edge.line
    if not isinstance(line, Axonal) or edge.of_input or edge.ring is not None or line.heads > 1:
        return edge
    history = MaskedHistory(line.delay, line.taps)
    short = history.planes <= PLANES * schedule.lanes
    fits = line.size % WORD == 0 and vector(history.width, history.elements, schedule.lanes)
    return replace(edge, line=history) if short and fits else edge


def edges_of(nodes: Sequence[Node]) -> list[tuple[str, Edge, MaskedHistory]]:
    """Projections with such a line: prefix of their tables and state, themselves, and their line."""
    return [
        (node.prefix + edge.prefix, edge, edge.line)
        for node in nodes
        for edge in node.edges
        if isinstance(edge.line, MaskedHistory)
    ]


def is_masked(nodes: Sequence[Node], source: str) -> bool:
    """Whether such a line takes the spikes of a population."""
    return any(edge.source == source for _, edge, _ in edges_of(nodes))


def masked(tables: Mapping[str, NDArray[Any]], nodes: Sequence[Node]) -> dict[str, NDArray[Any]]:
    """The tables, with masks in place of delays. One that several projections share is there once."""
    own = {prefix + READ: line.tables()[READ].reshape(-1) for prefix, _, line in edges_of(nodes)}
    return {name: own.get(name, table) for name, table in tables.items()}


def history_state(nodes: Sequence[Node]) -> dict[str, tuple[int, str]]:
    """Memory of such lines: (elements, dtype) by name."""
    return {prefix + RING: (line.elements, DTYPE) for prefix, _, line in edges_of(nodes)}


def masks_of(edge: Edge, buffers: Callable[[str], Any]) -> tuple[Any, ...]:
    """The table of such a line; nothing for another one."""
    return (buffers(READ),) if isinstance(edge.line, MaskedHistory) else ()
