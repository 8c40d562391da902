"""Sums of int8 weight rows, four outputs to a 32-bit word: for cores without vectors.

A word holds four weights as bytes u = weight + 128, in the order (o0, o2, o1, o3) from the lowest
byte on. Two of them are added at once, in the halves of a 32-bit sum:

    even += word & 0x00ff00ff         o0 and o1
    odd  += (word >> 8) & 0x00ff00ff  o2 and o3

After events of n counts in all, `a = even - n * 0x00800080` (mod 2^32) holds both sums:
`o0 = int16(a)`, `o1 = int16((a - o0) >> 16)`; carries between the halves cancel, so this is exact
when the two sums themselves fit in 16 bits. Where they might not, the events are taken in parts of
at most `32767 / max |weight|` counts, and the parts are added in 32 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from delrec_compile.ops.emit import Emitter, Events, Window
    from delrec_compile.ops.linear import Finish

BYTES = 4
MASK = 0x00FF00FF
BIASES = 0x00800080
ORDER = (0, 2, 1, 3)
MOST = 32767  # of a sum in 16 bits

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
#else
static inline uint32_t add_even_bytes(uint32_t sum, uint32_t word)
{
    return sum + (word & 0x00ff00ffu);
}
static inline uint32_t add_odd_bytes(uint32_t sum, uint32_t word)
{
    return sum + ((word >> 8) & 0x00ff00ffu);
}
#endif

"""


def pack(rows: NDArray[np.int8]) -> NDArray[np.uint32]:
    """rows: (in, n). Returns (in, ceil(n / 4)) words; what is beyond n weighs 0."""
    count, n = rows.shape
    padded = np.zeros((count, -(-n // BYTES) * BYTES), np.int64)
    padded[:, :n] = rows
    four = (padded + 128).reshape(count, -1, BYTES)[:, :, list(ORDER)]
    return np.asarray((four << (8 * np.arange(BYTES))).sum(axis=2), np.uint32)


@dataclass(frozen=True)
class Parts:
    """Events in parts whose sums fit in 16 bits: part k is the events start[k] to start[k + 1].

    counts: of each part in all. count: how many parts.
    """

    start: Any
    counts: Any
    count: Any


@dataclass(frozen=True)
class ByteRows:
    """A sum of rows. words: flat (in * words,). count: of an event, int32; None: each counts 1.

    parts: where the sum might not fit in 16 bits, else None.
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
    most: int,
    limit: int,
) -> Parts:
    """Splits the events. most: the largest count of one. limit: the counts that a part may hold."""
    T = e.T
    room = inputs * most // (limit - most + 1) + 2
    parts = Parts(
        e.buffer("start", room + 1, "int32"),
        e.buffer("counts", room, "int32"),
        e.counter("parts"),
    )
    e.store(parts.count, 0, 1, T.int32(0))
    e.store(parts.start, 0, 1, T.int32(0))
    e.store(parts.counts, 0, 1, T.int32(0))
    with e.loop("i", events.count[0]) as i:
        own = T.int32(1) if count is None else count(T.cast(events.index[i], "int32"))
        own = e.bind("own", own)
        here = parts.count[0]
        with e.when(parts.counts[here] + own > limit):
            e.store(parts.start, here + 1, 1, i)
            e.store(parts.counts, here + 1, 1, T.int32(0))
            e.store(parts.count, 0, 1, here + 1)
        e.store(parts.counts, parts.count[0], 1, parts.counts[parts.count[0]] + own)
    e.store(parts.count, 0, 1, parts.count[0] + 1)
    e.store(parts.start, parts.count[0], 1, events.count[0])
    return parts


def emit(e: Emitter, n: int, rows: list[ByteRows], finish: Callable[[Any, int], Finish]) -> None:
    """Sums of n outputs, int32; finish as in `linear.emit`, one output at a time."""
    every = -(-n // BYTES)
    width = max(1, e.schedule.registers // 2)
    whole = n // (BYTES * width)
    if whole > 1:
        with e.loop("tile", whole) as b:
            _emit_tile(e, rows, every, b * width, width, BYTES * width, finish)
    elif whole == 1:
        _emit_tile(e, rows, every, 0, width, BYTES * width, finish)
    for word in range(whole * width, every, width):
        outputs = min(n - word * BYTES, width * BYTES)
        _emit_tile(e, rows, every, word, -(-outputs // BYTES), outputs, finish)


def _emit_tile(
    e: Emitter,
    rows: list[ByteRows],
    every: int,
    word: Any,
    width: int,
    outputs: int,
    finish: Callable[[Any, int], Finish],
) -> None:
    """Words `word` to `word + width` of each row, and the outputs that they hold."""
    take = finish(word * BYTES, outputs)
    together = [r for r in rows if r.parts is None]
    sums = e.buffer("sums", outputs, "int32") if len(together) < len(rows) else None
    if sums is not None:
        for k in range(outputs):
            e.store(sums, k, 1, e.T.int32(0))
    for r in rows:
        if r.parts is not None:
            _emit_in_parts(e, r, r.parts, every, word, width, outputs, sums)
    acc = _zeros(e, width) if together else []
    for r in together:
        with e.each(r.events) as j:
            _add(e, acc, e.window(r.words, j * every + word, width), r, j)
    total = (
        sum((r.events.count[0] for r in together[1:]), together[0].events.count[0]) if acc else 0
    )
    values = _outputs(e, acc, total) if acc else [e.T.int32(0)] * outputs
    for k in range(outputs):
        take(values[k] if sums is None else sums[k] + values[k], k, 1)


def _emit_in_parts(
    e: Emitter,
    r: ByteRows,
    parts: Parts,
    every: int,
    word: Any,
    width: int,
    outputs: int,
    sums: Any,
) -> None:
    with e.loop("part", parts.count[0]) as p:
        acc = _zeros(e, width)
        first = e.bind("first", parts.start[p])
        with e.loop("i", parts.start[p + 1] - first) as i:
            j = e.bind("j", e.T.cast(r.events.index[first + i], "int32"))
            _add(e, acc, e.window(r.words, j * every + word, width), r, j)
        for k, value in enumerate(_outputs(e, acc, parts.counts[p])[:outputs]):
            e.store(sums, k, 1, sums[k] + value)


def _zeros(e: Emitter, width: int) -> list[tuple[Any, Any]]:
    zero = e.T.uint32(0)
    return [(e.register(1, zero, "uint32"), e.register(1, zero, "uint32")) for _ in range(width)]


def _add(e: Emitter, acc: list[tuple[Any, Any]], row: Window, r: ByteRows, j: Any) -> None:
    T = e.T
    count = None if r.count is None else e.bind("count", T.cast(r.count(j), "uint32"))
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


def _outputs(e: Emitter, acc: list[tuple[Any, Any]], total: Any) -> list[Any]:
    """The outputs of the words, in order. total: the counts that were added."""
    T = e.T
    biases = e.bind("biases", T.cast(total, "uint32") * T.uint32(BIASES))
    out = []
    for pair in acc:
        for halves in pair:
            both = e.bind("both", halves[0] - biases)
            low = e.bind("low", T.cast(T.cast(both, "int16"), "int32"))
            out.append(low)
            out.append(T.shift_right(T.cast(both - T.cast(low, "uint32"), "int32"), 16))
    return out
