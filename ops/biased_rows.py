"""Rows of int8 for devices with vectors: bytes without a sign, two outputs to a word of 16 bits.

A row is added by its words, and once more by their upper bytes; neither is widened. The sum of an
upper byte, times 256, is taken off the sum of its word, and the bias off both. 16 bits wrap around on
the way, and hold what is left: the sums of rows that are `linear.Rows.narrow`.
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

BIAS = 128


def pack(rows: NDArray[Any], lanes: int) -> NDArray[np.uint8]:
    """rows: (in, n) of int8. Returns them plus 128, in groups of four blocks: the bytes of a 16-bit
    word are of an output of the first two blocks, and of the one two blocks after it.
    """
    inputs, n = rows.shape
    out = (rows.astype(np.int16) + BIAS).astype(np.uint8)
    full = n // (4 * lanes) * 4 * lanes
    halves = out[:, :full].reshape(inputs, -1, 2, 2 * lanes)
    out[:, :full] = halves.transpose(0, 1, 3, 2).reshape(inputs, full)
    return out


def emit(e: Emitter, rows: Rows, tile: Tile, acc: list[Any], n: int) -> None:
    """Adds the rows to the registers of a tile, int32."""
    full = tile.groups(e.schedule.lanes, 4)
    with silent_rows.subtracting(e, rows, tile, acc, full) as own:
        parts = _sums(e, own, tile, acc, n)
    silent_rows.take_off(e, rows, tile, parts, 2 * e.schedule.lanes)
    for k, a in enumerate(acc[:full]):
        lanes = e.schedule.lanes
        own_part = e.load(parts[k // 2][1], k % 2 * lanes, lanes)
        increase(e, a, lanes, e.cast(own_part, "int32", lanes))


def _sums(e: Emitter, rows: Rows, tile: Tile, acc: list[Any], n: int) -> list[tuple[int, Any]]:
    """The sums of two blocks each, in 16 bits, with their offsets; those of what is left go to acc."""
    T, lanes = e.T, e.schedule.lanes
    full, wide = tile.groups(lanes, 4), 2 * lanes
    both, upper = (
        [e.register(wide, e.zero("uint16", wide), "uint16") for _ in range(0, full, 4)]
        for _ in range(2)
    )
    eight = e.splat(T.uint16(8), wide)
    for events, sign in rows.signed:
        with e.each(events) as j:
            row = e.view(rows.weight, j * n + tile.base, tile.size)
            for k, (words, high) in enumerate(zip(both, upper, strict=True)):
                four = T.reinterpret(f"uint16x{wide}", e.load(row, tile.blocks[4 * k][0], 2 * wide))
                word = e.register(wide, four, "uint16")
                increase(e, words, wide, e.load(word, 0, wide), sign)
                increase(e, high, wide, T.shift_right(e.load(word, 0, wide), eight), sign)
            for (at, width), a in zip(tile.blocks[full:], acc[full:], strict=True):
                value = e.cast(e.load(row, at, width), "int32", width)
                increase(e, a, width, value, sign)
    count = sum(sign * events.count[0] for events, sign in rows.signed)
    bias = e.splat(e.bind("bias", T.cast(count * BIAS, "uint16")), wide)
    for (_, width), a in zip(tile.blocks[full:], acc[full:], strict=True):
        increase(e, a, width, e.splat(count * -BIAS, width))
    parts = []
    for k, (words, high) in enumerate(zip(both, upper, strict=True)):
        high_sum = e.load(high, 0, wide)
        low_sum = e.load(words, 0, wide) - T.shift_left(high_sum, eight)
        for half, value in enumerate((low_sum, high_sum)):
            part = e.register(wide, T.reinterpret(f"int16x{wide}", value - bias), "int16")
            parts.append((tile.blocks[4 * k + 2 * half][0], part))
    return parts
