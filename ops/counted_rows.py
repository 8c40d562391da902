"""Rows of int8 times counts, added in 16 bits: for devices with vectors.

    |sum_j count_j * weight_ij| <= max |weight| * sum_j count_j

The events of a step are taken in parts whose counts add up to `32767 / max |weight|` at most. 16 bits
hold every sum of a part, and a product of two bytes is added to them by one instruction; the parts are
added in 32 bits. A step seldom has more than a few. They are made once, for all rows that they meet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events
    from delrec_compile.ops.linear import Rows, Tile

DTYPE = "int8"  # of counts
LARGEST = 127  # of them
SUM = 32767  # of 16 bits


@dataclass(frozen=True)
class Parts:
    """Events in parts: part k is the events start[k] to start[k + 1].

    number: of parts, at least 1. own: count of each event, in the order of the list,
    `width` times: a vector that no instruction has to fill. most: what the
    counts of a part may add up to, not below the largest of them.
    """

    start: Any
    number: Any
    own: Any
    most: int

    @staticmethod
    def room(inputs: int, largest: int, most: int) -> int:
        """Elements of `start` for so many inputs with counts up to `largest`."""
        return inputs * largest // (most - largest + 1) + 2


def width(lanes: int) -> int:
    """Lanes of sums of 16 bits: a vector of at least 16 bytes."""
    return max(lanes, 8)


def split(e: Emitter, events: Events, count: Callable[[Any], Any], to: Parts) -> None:
    """Splits a list, and takes down its counts. count: int32, of the input j."""
    T, total, wide = e.T, e.counter("total"), width(e.schedule.lanes)
    for memory in (to.number, to.start, total):
        e.store(memory, 0, 1, T.int32(0))
    with e.loop("i", events.count[0]) as i:
        own = e.bind("own", count(T.cast(events.index[i], "int32")))
        e.store(to.own, i * wide, wide, e.splat(T.cast(own, DTYPE), wide))
        with e.when(total[0] + own > to.most):
            e.store(to.number, 0, 1, to.number[0] + 1)
            e.store(to.start, to.number[0], 1, i)
            e.store(total, 0, 1, T.int32(0))
        e.store(total, 0, 1, total[0] + own)
    e.store(to.number, 0, 1, to.number[0] + 1)
    e.store(to.start, to.number[0], 1, events.count[0])


def emit(e: Emitter, rows: Rows, parts: Parts, tile: Tile, acc: list[Any], n: int) -> None:
    """Adds the rows to the registers of a tile, int32."""
    lanes, wide = e.schedule.lanes, width(e.schedule.lanes)
    size = wide // lanes
    full = tile.groups(lanes, size)
    with e.loop("part", parts.number[0]) as p:
        sums = [e.register(wide, e.zero("int16", wide), "int16") for _ in range(0, full, size)]
        first = e.bind("first", parts.start[p])
        with e.loop("i", parts.start[p + 1] - first) as i:
            j = e.bind("j", e.T.cast(rows.events.index[first + i], "int32"))
            row = e.view(rows.weight, j * n + tile.base, tile.size)
            count = (first + i) * wide
            for k, narrow in enumerate(sums):
                _increase(e, narrow, row, tile.blocks[size * k][0], (parts.own, count), wide)
            for (at, own), a in zip(tile.blocks[full:], acc[full:], strict=True):
                _increase(e, a, row, at, (parts.own, count), own, "int32")
        for k, a in enumerate(acc[:full]):
            own = e.load(sums[k // size], k % size * lanes, lanes)
            e.store(a, 0, lanes, e.load(a, 0, lanes) + e.cast(own, "int32", lanes))


def _increase(
    e: Emitter, register: Any, row: Any, at: int, counts: Any, lanes: int, dtype: str = "int16"
) -> None:
    """Adds a block of a row, times its count. counts: their buffer, and where the copies begin."""
    weight, count = (e.load(buffer, first, lanes) for buffer, first in ((row, at), counts))
    product = e.cast(weight, "int16", lanes) * e.cast(count, "int16", lanes)
    value = product if dtype == "int16" else e.cast(product, dtype, lanes)
    e.store(register, 0, lanes, e.load(register, 0, lanes) + value)
