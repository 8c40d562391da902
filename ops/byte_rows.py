"""Sums of int8 weight rows, four outputs to a 32-bit word: for cores without vectors.

A word holds four weights as bytes u = weight + 128, in the order (o0, o2, o1, o3) from the lowest
byte on. Two of them are added at once, in the halves of a 32-bit sum:

    even += word & 0x00ff00ff         o0 and o1
    odd  += (word >> 8) & 0x00ff00ff  o2 and o3

After events of n counts in all, `a = even - n * 0x00800080` (mod 2^32) holds both sums:
`o0 = int16(a)`, `o1 = int16((a - o0) >> 16)`; carries between the halves cancel, so this is exact
when the two sums themselves fit in 16 bits. Where they might not, the events are taken in parts of
at most `32767 / max |weight|` counts, and the parts are added in 32 bits. UXTAB16 adds each half by
itself, without a carry between them: there `o1 = int16((even >> 16) - n * 128)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events
    from delrec_compile.ops.linear import Finish

BYTES = 4
MASK = 0x00FF00FF
BIASES = 0x00800080
ORDER = (0, 2, 1, 3)

C_TEXT = """/* sum + the bytes 0 and 2 of a word, or its bytes 1 and 3, each in a half of its own */
#if defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>
static inline uint32_t add_even_bytes(uint32_t sum, uint32_t word)
{
    return __uxtab16(sum, word);
}
static inline uint32_t add_odd_bytes(uint32_t sum, uint32_t word)
{
    return __uxtab16(sum, (word >> 8) | (word << 24));
}
/* the upper sum of n words, less their biases, times 2^16 */
static inline int32_t upper_sum(uint32_t sum, uint32_t n)
{
    return (int32_t)((sum & 0xffff0000u) - (n << 23));
}
#else
static inline uint32_t add_even_bytes(uint32_t sum, uint32_t word)
{
    return sum + (word & 0x00ff00ffu);
}
static inline uint32_t add_odd_bytes(uint32_t sum, uint32_t word)
{
    return sum + ((word >> 8) & 0x00ff00ffu);
}
static inline int32_t upper_sum(uint32_t sum, uint32_t n)
{
    const uint32_t both = sum - n * 0x00800080u;
    const int32_t lower = (int16_t)both;
    return (int32_t)(both - (uint32_t)lower);
}
#endif

"""


def pack(rows: NDArray[np.int8]) -> NDArray[np.uint32]:
    """rows: (in, n). Returns (in, ceil(n / 4)) words; places beyond n weigh 0."""
    count, n = rows.shape
    padded = np.zeros((count, -(-n // BYTES) * BYTES), np.int64)
    padded[:, :n] = rows
    four = (padded + 128).reshape(count, -1, BYTES)[:, :, list(ORDER)]
    return np.asarray((four << (8 * np.arange(BYTES))).sum(axis=2), np.uint32)


@dataclass(frozen=True)
class Parts:
    """Events in parts whose sums fit in 16 bits: part k is the events start[k] to start[k + 1].

    totals: sum of the counts of each part. count: number of parts. own: count of each event.
    """

    start: Any
    totals: Any
    count: Any
    own: Any


@dataclass(frozen=True)
class ByteRows:
    """A sum of rows. words: flat (in * words,). count: int32 count of an event; None: each counts 1.

    parts: split of the events where a sum might not fit in 16 bits, or None.
    """

    events: Events
    words: Any
    count: Callable[[Any], Any] | None = None
    parts: Parts | None = None


def emit_parts(
    e: Emitter,
    events: Events,
    count: Callable[[Any], Any] | None,
    inputs: int,
    max_count: int,
    limit: int,
) -> Parts:
    """Splits the events. max_count: largest count of one. limit: counts that a part may hold."""
    T = e.T
    room = inputs * max_count // (limit - max_count + 1) + 2
    parts = Parts(
        e.buffer("start", room + 1, "int32"),
        e.buffer("totals", room, "int32"),
        e.counter("parts"),
        e.buffer("own", inputs, "uint8" if max_count < 256 else "uint16"),
    )
    e.store(parts.count, 0, 1, T.int32(0))
    e.store(parts.start, 0, 1, T.int32(0))
    e.store(parts.totals, 0, 1, T.int32(0))
    with e.loop("i", events.count[0]) as i:
        own = T.int32(1) if count is None else count(T.cast(events.index[i], "int32"))
        own = e.bind("own", own)
        e.store(parts.own, i, 1, T.cast(own, str(parts.own.dtype)))
        here = parts.count[0]
        with e.when(parts.totals[here] + own > limit):
            e.store(parts.start, here + 1, 1, i)
            e.store(parts.totals, here + 1, 1, T.int32(0))
            e.store(parts.count, 0, 1, here + 1)
        e.store(parts.totals, parts.count[0], 1, parts.totals[parts.count[0]] + own)
    e.store(parts.count, 0, 1, parts.count[0] + 1)
    e.store(parts.start, parts.count[0], 1, events.count[0])
    return parts


def emit(
    e: Emitter,
    n: int,
    rows: list[ByteRows],
    finish: Callable[[Any, int], Finish],
    shift: int,
) -> None:
    """Sums of n outputs times 2^shift, int32; finish as in `linear.emit`, one output at a time."""
    every = -(-n // BYTES)
    width = e.schedule.words
    full = n // (BYTES * width)
    if full > 1:
        with e.loop("tile", full) as b:
            _emit_tile(e, rows, Tile(every, b * width, width, BYTES * width, shift), finish)
    elif full == 1:
        _emit_tile(e, rows, Tile(every, 0, width, BYTES * width, shift), finish)
    for word in range(full * width, every, width):
        outputs = min(n - word * BYTES, width * BYTES)
        _emit_tile(e, rows, Tile(every, word, -(-outputs // BYTES), outputs, shift), finish)


@dataclass(frozen=True)
class Tile:
    """Words `word` to `word + width` of rows of `every` words, and the outputs that they hold."""

    every: int
    word: Any
    width: int
    outputs: int
    shift: int


def _emit_tile(
    e: Emitter, rows: list[ByteRows], tile: Tile, finish: Callable[[Any, int], Finish]
) -> None:
    take = finish(tile.word * BYTES, tile.outputs)

    def taken(values: list[Any]) -> None:
        for k, value in enumerate(values):
            take(value, k, 1)

    parts = rows[0].parts
    if all(r.parts is None for r in rows):
        taken(_sum_at_once(e, rows, tile))
    elif parts is not None and len(rows) == 1:
        with e.otherwise(parts.count[0] == 1, lambda: taken(_sum_part(e, rows[0], parts, 0, tile))):
            taken(_sum_parts(e, rows, tile))
    else:
        taken(_sum_parts(e, rows, tile))


def _sum_at_once(e: Emitter, rows: list[ByteRows], tile: Tile) -> list[Any]:
    """All rows at once: their sums fit in 16 bits together."""
    counts = [r.events.count[0] for r in rows]
    acc = _zeros(e, tile)
    for r in rows:
        with e.each(r.events) as j:
            _add(e, acc, e.view(r.words, j * tile.every + tile.word, tile.width), None)
    return _outputs(e, acc, sum(counts[1:], counts[0]), tile, carries=False)


def _sum_part(e: Emitter, r: ByteRows, parts: Parts, p: Any, tile: Tile) -> list[Any]:
    T = e.T
    acc = _zeros(e, tile)
    first = e.bind("first", parts.start[p])
    with e.loop("i", parts.start[p + 1] - first) as i:
        j = e.bind("j", T.cast(r.events.index[first + i], "int32"))
        count = None
        if r.count is not None:
            count = e.bind("count", T.cast(parts.own[first + i], "uint32"))
        _add(e, acc, e.view(r.words, j * tile.every + tile.word, tile.width), count)
    return _outputs(e, acc, parts.totals[p], tile, carries=r.count is not None)


def _sum_parts(e: Emitter, rows: list[ByteRows], tile: Tile) -> list[Any]:
    """Part by part, added in 32 bits."""
    sums = e.buffer("sums", tile.outputs, "int32")
    unsplit = [r for r in rows if r.parts is None]
    start = _sum_at_once(e, unsplit, tile) if unsplit else [e.T.int32(0)] * tile.outputs
    for k, value in enumerate(start):
        e.store(sums, k, 1, value)
    for r in rows:
        if r.parts is not None:
            with e.loop("part", r.parts.count[0]) as p:
                for k, value in enumerate(_sum_part(e, r, r.parts, p, tile)):
                    e.store(sums, k, 1, sums[k] + value)
    return [sums[k] for k in range(tile.outputs)]


def _zeros(e: Emitter, tile: Tile) -> list[tuple[Any, Any]]:
    """Two sums per word."""
    zero = e.T.uint32(0)
    return [
        (e.register(1, zero, "uint32"), e.register(1, zero, "uint32")) for _ in range(tile.width)
    ]


def _add(e: Emitter, acc: list[tuple[Any, Any]], row: Any, count: Any) -> None:
    """Adds a row, or `count` times the row."""
    T = e.T
    for k, (even, odd) in enumerate(acc):
        word = e.load(row, k, 1)
        if count is None:
            e.store(even, 0, 1, T.call_extern("uint32", "add_even_bytes", even[0], word))
            e.store(odd, 0, 1, T.call_extern("uint32", "add_odd_bytes", odd[0], word))
        else:
            mask, eight = T.uint32(MASK), T.uint32(8)
            e.store(even, 0, 1, even[0] + T.bitwise_and(word, mask) * count)
            high = T.bitwise_and(T.shift_right(word, eight), mask)
            e.store(odd, 0, 1, odd[0] + high * count)


def _outputs(
    e: Emitter, acc: list[tuple[Any, Any]], total: Any, tile: Tile, carries: bool
) -> list[Any]:
    """The outputs of the words, in order, times 2^shift. total: the counts that were added.

    The product is what is left of shifting down 16 places: an upper sum has no bit below them.
    carries: whether a full lower half was carried to the upper one on every core.
    """
    T, down = e.T, 16 - tile.shift
    n = e.bind("n", T.cast(total, "uint32"))
    biases = e.bind("biases", n * T.uint32(BIASES))
    out: list[Any] = []
    for halves in (half for pair in acc for half in pair):
        if len(out) == tile.outputs:
            break
        both = e.bind("both", halves[0] - biases)
        top = T.cast(T.shift_left(both, T.uint32(16)), "int32")
        out.append(e.register(1, T.shift_right(top, down), "int32")[0])
        if len(out) == tile.outputs:
            break
        if carries:
            # a variable: gcc else warns of the sign of a cast within a cast
            low = e.register(1, T.cast(T.cast(both, "int16"), "int32"), "int32")
            upper = T.cast(both - T.cast(low[0], "uint32"), "int32")
        else:
            upper = T.call_extern("int32", "upper_sum", halves[0], n)
        out.append(e.register(1, T.shift_right(upper, down), "int32")[0])
    return out
