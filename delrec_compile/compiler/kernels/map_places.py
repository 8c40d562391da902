"""Populations whose neurons lie as (row, column, channel) in compiled code: which, and their tables.

A spike then adds runs of output channels, and sums are made a few rows at a time: see `map_rows`. Files,
ONNX steps, records of spikes and all other projections keep the order (channel, row, column).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.compiler.kernels.nodes import Edge, Node, Places
from delrec_compile.compiler.kernels.real_inputs import takes_input
from delrec_compile.network.model import INPUT
from delrec_compile.ops.feed import Convolution
from delrec_compile.ops.map_taps import MapTaps
from delrec_compile.ops.maps import Maps
from delrec_compile.targets.schedule import Schedule

FEWEST = 16  # neurons: more than the constants that a model keeps in one table


def with_places(nodes: Sequence[Node], schedule: Schedule) -> tuple[Node, ...]:
    """The nodes, with `places` where all that comes in are undelayed convolutions of such, or of x.

    x is listed in rows for such nodes alone, so that they take it together or not at all.
    """
    return _placed(nodes, schedule, True) or _placed(nodes, schedule, False) or tuple(nodes)


def _placed(nodes: Sequence[Node], schedule: Schedule, of_input: bool) -> tuple[Node, ...] | None:
    """of_input: whether nodes that take x have places. None where some that take it have none."""
    known: dict[str, Places] = {}
    if of_input:
        taken = [maps_of(edge) for node in nodes for edge in node.edges if takes_input(edge)]
        shapes = {None if m is None else sent(m) for m in taken}
        first = shapes.pop() if len(shapes) == 1 else None
        if first is None:
            return None
        known[INPUT] = first
    out = []
    for node in nodes:
        edges = tuple(_with_taps(edge, known, schedule) for edge in node.edges)
        if node.fires and node.size >= FEWEST and all(edge.taps for edge in edges):
            (places,) = {_received(edge.taps.maps) for edge in edges}
            known[node.name] = places
            out.append(replace(node, edges=edges, places=places))
        elif of_input and any(takes_input(edge) for edge in node.edges):
            return None
        else:
            out.append(node)
    return tuple(out)


def _with_taps(edge: Edge, known: Mapping[str, Places], schedule: Schedule) -> Edge:
    maps = maps_of(edge)
    if maps is None or known.get(edge.source) != sent(maps):
        return edge
    return replace(edge, taps=MapTaps(maps, schedule.lanes == 1))


def maps_of(edge: Edge) -> Maps | None:
    """Shape of an undelayed convolution with whole windows that lie close; None of another map."""
    form = getattr(edge.synapses, "form", edge.synapses)
    if not isinstance(form, Convolution) or form.maps.node != "Maps":
        return None
    return form.maps if form.maps.end is None else None


def sent(maps: Maps) -> Places:
    """Places of what a convolution takes."""
    return Places(maps.channels, maps.height, maps.width)


def _received(maps: Maps) -> Places:
    return Places(*maps.out)


def taps_of(nodes: Sequence[Node]) -> dict[tuple[str, str], MapTaps]:
    """Those of projections that have them, by population and prefix."""
    return {
        (node.name, edge.prefix): edge.taps for node in nodes if node.places for edge in node.edges
    }


def period(places: Places, schedule: Schedule) -> int:
    """Neurons of a row that are updated together, from one place on; divides a row.

    As many places as fill the registers, in full vectors; all of a row where it has no such part.
    """
    room = schedule.lanes * schedule.registers
    sizes = [places.channels * k for k in range(1, places.width + 1) if places.width % k == 0]
    full = [size for size in sizes if size % schedule.lanes == 0]
    return max([size for size in full if size <= room], default=min(full, default=sizes[-1]))


def by_place(
    tables: Mapping[str, NDArray[Any]], nodes: Sequence[Node], schedule: Schedule
) -> dict[str, NDArray[Any]]:
    """The tables, those of neurons with places in their order: of one `period` where rows are alike."""
    out = dict(tables)
    for node in nodes:
        own = [] if node.places is None else [n for n in tables if n.startswith(node.prefix)]
        weights = {node.prefix + edge.prefix + "weight" for edge in node.edges}
        for name in own:
            if name not in weights and tables[name].size == node.size:
                assert node.places is not None
                out[name] = _by_place(tables[name], node.places, period(node.places, schedule))
    return out


def _by_place(table: NDArray[Any], places: Places, size: int) -> NDArray[Any]:
    maps = table.reshape(places.channels, places.height * places.width)
    if (maps == maps[:, :1]).all():
        return np.tile(maps[:, 0], size // places.channels)
    return np.ascontiguousarray(maps.T).reshape(-1)
