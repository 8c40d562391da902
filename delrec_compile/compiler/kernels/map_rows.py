"""Neurons that lie as (row, column, channel): events row after row, sums of a few rows at a time.

The rows of what comes in are taken in their order. An event adds its weights to the rows of sums that it
reaches, which are as many as the kernel reaches. When no more events reach a row, its neurons fire, and
the next row takes its memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from tvm.tirx.script import builder as tir

from delrec_compile.compiler.kernels.map_places import period
from delrec_compile.compiler.kernels.nodes import Edge, Node, Places
from delrec_compile.compiler.kernels.step_inputs import Incoming, StepInputs, always
from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.compiler.tir.event_lists import Events
from delrec_compile.ops.map_taps import MapEvent, MapTaps, add_event


@dataclass(frozen=True)
class RowEvents:
    """Events of maps. start: (rows + 1,), of each row in the list.

    events: places within a row, column * C + channel; of x, channel * width + column. flat: the same as
    neurons in the order (channel, row, column), row after row; None where nothing reads it.
    """

    events: Events
    start: Any
    places: Places
    flat: Events | None = None


class Host(Protocol):
    """The part of a composer that rows are emitted with."""

    e: Emitter
    nodes: tuple[Node, ...]
    tables: dict[str, Any]

    def edge_buffers(self, i: int, edge: Edge) -> Callable[[str], Any]: ...
    def buffers_of(self, i: int) -> Callable[[str], Any]: ...


def lists(e: Emitter, places: Places, many: int | None, flat: bool) -> Callable[[Any], RowEvents]:
    """Lists of `many` steps, or of one, by their number."""
    n, rows = places.size, places.height + 1
    starts = e.buffer("starts", (many or 1) * rows, "int32")
    local = e.lists(n, many, places.row) if many else always(e.events(n, places.row))
    all_of = None
    if flat:
        all_of = e.lists(n, many) if many else always(e.events(n))

    def at(k: Any) -> RowEvents:
        start = e.view(starts, 0 if k is None else k * rows, rows)
        return RowEvents(local(k), start, places, None if all_of is None else all_of(k))

    return at


def clear(e: Emitter, spikes: Events | RowEvents) -> None:
    """Empties a list."""
    if isinstance(spikes, Events):
        e.clear(spikes)
        return
    e.clear(spikes.events)
    e.store(spikes.start, 0, 1, tir.int32(0))


def flat(spikes: Events | RowEvents) -> Events | None:
    """The events as neurons; None where nothing reads them."""
    return spikes if isinstance(spikes, Events) else spikes.flat


def incoming(spikes: Events | RowEvents) -> Incoming:
    """Spikes, as what comes in through a projection."""
    return Incoming(flat(spikes), rows=None if isinstance(spikes, Events) else spikes)


def end_row(e: Emitter, spikes: RowEvents, row: Any) -> None:
    """The events of the row are listed."""
    e.store(spikes.start, row + 1, 1, spikes.events.count[0])


def list_rows(e: Emitter, to: RowEvents, active: Callable[[Any, int], Any]) -> None:
    """Lists x. active(j, lanes): whether the values from j on, (channel, row, column), are."""
    p = to.places
    clear(e, to)
    with e.loop("y", p.height) as y:
        with e.loop("c", p.channels) as c:
            own = replace(to.events, first=e.bind("first", c * p.width))
            base = e.bind("base", (c * p.height + y) * p.width)

            def here(at: Any, lanes: int, base: Any = base) -> Any:
                return active(base + at, lanes)

            e.list_more(own, p.width, here)
        end_row(e, to, y)


@dataclass(frozen=True)
class Rows:
    """Sums of projections with one unit. edges: with what comes in. buffer: `reach` rows, of `length`.

    left: columns of the margin. unit: see `integer_currents.Current`. exact: see `linear.Rows`.
    """

    edges: Sequence[tuple[Edge, Incoming]]
    buffer: Any
    length: int
    left: int
    reach: int
    unit: int = 1
    exact: bool = True


def rows_of(
    e: Emitter,
    edges: Sequence[tuple[Edge, Incoming]],
    dtype: str,
    reach: int,
    unit: int = 1,
    exact: bool = True,
) -> Rows:
    """Memory for the sums."""
    taps: list[MapTaps] = [edge.taps for edge, _ in edges]
    left = max(t.left for t in taps)
    columns = left + max(t.width - t.left for t in taps)
    wide = 2 * e.schedule.lanes
    length = -(-columns * taps[0].maps.kernel[0] // wide) * wide
    return Rows(edges, e.buffer("sums", reach * length, dtype), length, left, reach, unit, exact)


# takes the sums of a part of a row: (its sums, its buffers by local name, list of its spikes, its size)
Take = Callable[[list[tuple[Any, int]], Callable[[str], Any], Events, int], None]


def fire(c: Host, i: int, now: StepInputs, sums: Sequence[Rows], take: Take) -> None:
    """Makes the sums of node i and has its neurons take them, row after row."""
    e, spikes = c.e, now.spikes
    reach = sums[0].reach
    clear(e, spikes)
    with e.loop("i", spikes.places.height + reach - 1) as i_row:
        for part in sums:
            slot = e.view(part.buffer, tir.truncmod(i_row, reach) * part.length, part.length)
            _clear_row(e, slot, part)
            for edge, own in part.edges:
                _add_rows(c, i, part, edge, own, i_row)
        with tir.If(i_row >= reach - 1), tir.Then():
            _fire_row(c, i, e.bind("row", i_row - (reach - 1)), sums, spikes, take)
    if spikes.flat is not None:
        _flatten(e, spikes)


def _clear_row(e: Emitter, slot: Any, part: Rows) -> None:
    wide = 2 * e.schedule.lanes if e.schedule.lanes > 1 else 1
    dtype = str(part.buffer.dtype)
    with e.loop("k", part.length // wide) as k:
        e.store(slot, k * wide, wide, e.zero(dtype, wide))


def _add_rows(c: Host, i: int, part: Rows, edge: Edge, own: Incoming, i_row: Any) -> None:
    """Adds the events of the rows of the input that row `i_row` of the sums is the first to need."""
    e, taps = c.e, edge.taps
    m = taps.maps
    down, late = m.stride[0], part.reach - taps.reach
    q = i_row - late if late else i_row
    shift = (part.left - taps.left) * m.kernel[0]
    table = c.edge_buffers(i, edge)("weight")
    for phase in range(down):
        if not taps.rows[phase]:
            continue
        y = e.bind("y", q * down + (phase - m.pad[0]))
        with tir.If(tir.And(y >= 0, y < m.height)), tir.Then():
            reached = [
                e.bind("to", tir.truncmod(q + (part.reach - o), part.reach) * part.length + shift)
                for o, _ in taps.rows[phase]
            ]
            with _each(e, own, y) as event:
                places, exact = reached.__getitem__, part.exact or event.count is None
                add_event(e, taps, event, phase, table, part.buffer, places, exact)


@contextmanager
def _each(e: Emitter, own: Incoming, y: Any) -> Iterator[MapEvent]:
    """A loop over the events of row y; gives each."""
    rows: RowEvents = own.rows
    p, first = rows.places, e.bind("first", rows.start[y])
    with e.loop("k", rows.start[y + 1] - first) as k:
        j = e.bind("j", tir.cast(rows.events.index[first + k], "int32"))
        if own.count is None:
            column, channel = _parts(e, j, p.channels)
            yield MapEvent(channel, column)
        else:
            channel, column = _parts(e, j, p.width)
            place = (channel * p.height + y) * p.width + column
            yield MapEvent(channel, column, e.bind("own", own.count(place)))


def _parts(e: Emitter, j: Any, size: int) -> tuple[Any, Any]:
    """j / size and the rest, of j that is not below 0."""
    return e.bind("high", tir.truncdiv(j, size)), e.bind("low", tir.truncmod(j, size))


def _fire_row(
    c: Host, i: int, row: Any, sums: Sequence[Rows], spikes: RowEvents, take: Take
) -> None:
    e, node, p = c.e, c.nodes[i], spikes.places
    size, buffers = period(p, e.schedule), c.buffers_of(i)
    with e.loop("u", p.row // size) as u:
        at = e.bind("at", u * size)
        first = e.bind("first", row * p.row + at)

        def local(name: str) -> Any:
            """States and tables that differ from row to row from here on; others as they are."""
            table = c.tables.get(node.prefix + name)
            return (
                buffers(name)
                if table is not None and table.size != node.size
                else e.view(buffers(name), first, size)
            )

        values = []
        for part in sums:
            slot = tir.truncmod(row, part.reach) * part.length + part.left * p.channels
            values.append((_as_int32(e, e.view(part.buffer, slot + at, size)), part.unit))
        take(values, local, replace(spikes.events, first=at), size)
    end_row(e, spikes, row)


def _as_int32(e: Emitter, sums: Any) -> Any:
    if str(sums.dtype) != "int16":
        return sums
    return e.lazy(lambda start, at, lanes: e.cast(e.load(sums, start + at, lanes), "int32", lanes))


def _flatten(e: Emitter, spikes: RowEvents) -> None:
    """Lists the events as neurons."""
    p, to = spikes.places, spikes.flat
    assert to is not None
    kind = str(to.index.dtype)
    with e.loop("y", p.height) as y:
        first = e.bind("first", spikes.start[y])
        with e.loop("k", spikes.start[y + 1] - first) as k:
            j = e.bind("j", tir.cast(spikes.events.index[first + k], "int32"))
            column, channel = _parts(e, j, p.channels)
            place = (channel * p.height + y) * p.width + column
            e.store(to.index, first + k, 1, tir.cast(place, kind))
    e.store(to.count, 0, 1, spikes.events.count[0])
