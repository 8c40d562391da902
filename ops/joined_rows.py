"""Rows of 16 bits for devices that multiply and add pairs: two outputs to a word of 32 bits.

A row is added by its words, and by a product for the sum of their upper halves alone. That sum, times
2^16, is taken off the sum of the words. Lower halves are stored without a sign, plus 2^15, which is
taken off for each row. 32 bits wrap around on the way, and hold what is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.ops import silent_rows
from delrec_compile.ops.narrow_rows import increase

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.ops.linear import Rows, Tile

BITS = 16
SIGN = 1 << BITS - 1  # of a half, whose value it is without a sign


def pack(rows: NDArray[np.int16], lanes: int) -> NDArray[np.int16]:
    """rows: (in, n), of pairs of blocks side by side. Returns them with 2^15 added to lower halves."""
    out = rows.view(np.uint16).copy()
    out[:, : rows.shape[1] // (2 * lanes) * 2 * lanes : 2] ^= SIGN
    return out.view(np.int16)


def emit(e: Emitter, rows: Rows, tile: Tile, acc: list[Any], n: int) -> None:
    """Adds the rows to the registers of a tile, int32."""
    lanes = e.schedule.lanes
    full = tile.groups(lanes, 2)
    pairs = list(zip(acc[:full:2], acc[1:full:2], strict=True))
    with silent_rows.subtracting(e, rows, tile, acc) as own:
        for low, high in pairs:
            _take_upper(e, low, high, 1)
        for events, sign in own.signed:
            with e.each(events) as j:
                row = e.view(rows.weight, j * n + tile.base, tile.size)
                for k, (low, high) in enumerate(pairs):
                    e.add_joined(low, high, row, tile.blocks[2 * k][0], sign)
                for (at, width), a in zip(tile.blocks[full:], acc[full:], strict=True):
                    increase(e, a, width, e.cast(e.load(row, at, width), "int32", width), sign)
        count = sum(sign * events.count[0] for events, sign in own.signed)
        signs = e.splat(e.bind("signs", e.T.shift_left(count, BITS - 1)), lanes)
        for low, high in pairs:
            _take_upper(e, low, high, -1)
            e.store(low, 0, lanes, e.wrapping(e.load(low, 0, lanes), signs, lanes, -1))


def _take_upper(e: Emitter, low: Any, high: Any, sign: int) -> None:
    """Adds the sums of upper halves to those of words, or takes them off."""
    lanes = e.schedule.lanes
    upper = e.T.shift_left(e.load(high, 0, lanes), e.splat(e.T.int32(BITS), lanes))
    e.store(low, 0, lanes, e.wrapping(e.load(low, 0, lanes), upper, lanes, sign))
