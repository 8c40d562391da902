"""Sums of weight rows where most neurons spike: the rows of the silent ones, taken off the sum of all.

    sum_j S[j] w[j] = sum_j w[j] - sum_j (1 - S[j]) w[j]

In whole numbers both are the same bits. A list of more than half of the neurons is turned, in its own
memory, into that of the others: half is then the most that a step adds. Its count is ~number, below 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events
    from delrec_compile.ops.linear import Rows, Tile

TOTAL = "_total"  # name of a table of totals, after that of its rows


def totals(weight: NDArray[Any]) -> NDArray[np.int32]:
    """weight: (..., out, in) of whole numbers. Returns (..., out), the sum of all rows."""
    return np.asarray(weight.astype(np.int64).sum(axis=-1), np.int32)


def turn(e: Emitter, events: Events, n: int) -> Events:
    """Turns a list of more than half of n neurons into that of the silent ones."""
    marks = e.buffer("silent", n, "uint8") if events.plane is None else None
    with e.when(events.count[0] > n // 2):
        if marks is None:
            e.list_active(events, n, lambda at, lanes: _is_clear(e, events.plane, at, lanes))
        else:
            _list_unmarked(e, events, marks, n)
        e.store(events.count, 0, 1, e.T.bitwise_not(events.count[0]))
    return replace(events, turns=True)


def _list_unmarked(e: Emitter, events: Events, marks: Any, n: int) -> None:
    with e.loop("i", n) as i:
        e.store(marks, i, 1, e.T.uint8(1))
    with e.each(events) as j:
        e.store(marks, j, 1, e.T.uint8(0))
    e.list_active(events, n, lambda at, lanes: e.load(marks, at, lanes) != e.zero("uint8", lanes))


def _is_clear(e: Emitter, plane: Any, at: Any, lanes: int) -> Any:
    """Whether the bits of a block of 8 or 16 neurons are not set. plane: of bytes."""
    T = e.T
    mask = e.load(plane, T.shift_right(T.int32(at) if isinstance(at, int) else at, 3), lanes // 8)
    bits = T.cast(mask if lanes == 8 else T.reinterpret("uint16", mask), "int32")
    powers = T.shift_left(e.splat(T.int32(1), lanes), T.ramp(0, 1, lanes))
    return T.bitwise_and(e.splat(bits, lanes), powers) == e.zero("int32", lanes)


@contextmanager
def subtracting(
    e: Emitter, rows: Rows, tile: Tile, acc: Sequence[Any], first: int = 0
) -> Iterator[Rows]:
    """The rows whose sum the body adds to the registers of a tile from `first` on, int32.

    Where the list was turned, the body adds to registers of the opposite sign, which begin with the
    sum of all rows.
    """
    if not rows.events.turns:
        yield rows
        return
    own = list(zip(tile.blocks, acc, strict=True))[first:]
    total = e.view(rows.total, tile.base, tile.size)
    with e.when(is_turned(rows)):
        for (at, lanes), a in own:
            start = e.load(a, 0, lanes) + e.load(total, at, lanes)
            e.store(a, 0, lanes, e.zero("int32", lanes) - start)
    yield listed(e, rows)
    with e.when(is_turned(rows)):
        for (_, lanes), a in own:
            e.store(a, 0, lanes, e.zero("int32", lanes) - e.load(a, 0, lanes))


def is_turned(rows: Rows) -> Any:
    """Whether the list is that of the silent neurons."""
    return rows.events.count[0] < 0


def listed(e: Emitter, rows: Rows) -> Rows:
    """The rows of what is listed, whatever it is."""
    if not rows.events.turns:
        return rows
    T, count = e.T, rows.events.count[0]
    number = e.bind("number", T.bitwise_xor(count, T.shift_right(count, 31)))
    return replace(rows, events=replace(rows.events, count=(number,)))


def take_off(
    e: Emitter, rows: Rows, tile: Tile, sums: Sequence[tuple[int, Any]], lanes: int
) -> None:
    """Sums of 16 bits, of what is listed, become those of the active rows.

    sums: with the offsets of their first outputs from the base of the tile.
    """
    if not rows.events.turns:
        return
    total = e.view(rows.total, tile.base, tile.size)
    with e.when(is_turned(rows)):
        for at, a in sums:
            all_rows = e.cast(e.load(total, at, lanes), "int16", lanes)
            e.store(a, 0, lanes, all_rows - e.load(a, 0, lanes))
