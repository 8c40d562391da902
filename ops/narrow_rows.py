"""Rows of int8 for devices with vectors: widened to 16 bits, which hold their sums, and added there.

Two blocks of outputs lie in a register; the sums are added in 32 bits in the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from delrec_compile.ops import silent_rows

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.ops.linear import Rows, Tile


def emit(e: Emitter, rows: Rows, tile: Tile, acc: list[Any], n: int) -> None:
    """Adds the rows to the registers of a tile, int32."""
    lanes = e.schedule.lanes
    full = tile.groups(lanes, 2)
    sums = [
        (tile.blocks[k][0], e.register(2 * lanes, e.zero("int16", 2 * lanes), "int16"))
        for k in range(0, full, 2)
    ]
    with silent_rows.subtracting(e, rows, tile, acc, full) as own:
        for events, sign in own.signed:
            with e.each(events) as j:
                row = e.view(rows.weight, j * n + tile.base, tile.size)
                for at, narrow in sums:
                    value = e.cast(e.load(row, at, 2 * lanes), "int16", 2 * lanes)
                    increase(e, narrow, 2 * lanes, value, sign)
                for (at, width), a in zip(tile.blocks[full:], acc[full:], strict=True):
                    increase(e, a, width, e.cast(e.load(row, at, width), "int32", width), sign)
    silent_rows.take_off(e, rows, tile, sums, 2 * lanes)
    for k, a in enumerate(acc[:full]):
        part = e.load(sums[k // 2][1], k % 2 * lanes, lanes)
        increase(e, a, lanes, e.cast(part, "int32", lanes))


def increase(e: Emitter, register: Any, lanes: int, value: Any, sign: int = 1) -> None:
    """Adds a value to a register, or takes it off."""
    total = e.load(register, 0, lanes)
    e.store(register, 0, lanes, total + value if sign > 0 else total - value)
