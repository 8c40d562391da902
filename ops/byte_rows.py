"""Sums of int8 weight rows, four outputs to a 32-bit word: for cores without vectors.

A word holds four weights as bytes u = weight + 128, in the order (o0, o2, o1, o3) from the lowest
byte on. Two of them are added at once, in the halves of a 32-bit sum:

    even += word & 0x00ff00ff         o0 and o1
    odd  += (word >> 8) & 0x00ff00ff  o2 and o3

`even` is what is left of the sum of whole words, full - (odd << 8) (mod 2^32): one operation less for
a row. Sums of n counts in all begin at `-n * 0x00800080` (mod 2^32), and hold both sums in the end:
`o0 = int16(a)`, `o1 = int16((a - o0) >> 16)`; carries between the halves cancel, so this is exact
when the two sums themselves fit in 16 bits. Where they might not, the events are taken in parts of
at most `32767 / max |weight|` counts, and the parts are added in 32 bits. UXTAB16 adds each half by
itself, without a carry between them: there both begin at `-n * 128` (mod 2^16), and
`o1 = int16(a >> 16)`. See `byte_rows_c`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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

    totals: sum of the counts of each part. count: number of parts. own: of rows with counts, each event
    and its count.
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


def _pair_type(largest: int) -> str:
    return "uint8" if largest < 1 << 8 else "uint16" if largest < 1 << 16 else "uint32"


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
        e.buffer("own", 2 * inputs, _pair_type(max(inputs - 1, max_count))),
    )
    e.store(parts.count, 0, 1, T.int32(0))
    e.store(parts.start, 0, 1, T.int32(0))
    e.store(parts.totals, 0, 1, T.int32(0))
    with e.loop("i", events.count[0]) as i:
        own = T.int32(1) if count is None else count(T.cast(events.index[i], "int32"))
        own = e.bind("own", own)
        if count is not None:
            for k, value in enumerate((events.index[i], own)):
                e.store(parts.own, 2 * i + k, 1, T.cast(value, str(parts.own.dtype)))
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
    start: Any = None,
) -> None:
    """Sums of n outputs times 2^shift, int32; finish as in `linear.emit`, one output at a time.

    start: (n,) int32 to begin with; None: zeros.
    """
    every = -(-n // BYTES)
    width = e.schedule.words
    full = n // (BYTES * width)
    if full > 1:
        with e.loop("tile", full) as b:
            _emit_tile(e, rows, Tile(every, b * width, width, BYTES * width, shift, start), finish)
    elif full == 1:
        _emit_tile(e, rows, Tile(every, 0, width, BYTES * width, shift, start), finish)
    for word in range(full * width, every, width):
        outputs = min(n - word * BYTES, width * BYTES)
        tile = Tile(every, word, -(-outputs // BYTES), outputs, shift, start)
        _emit_tile(e, rows, tile, finish)


@dataclass(frozen=True)
class Tile:
    """Words `word` to `word + width` of rows of `every` words, and the outputs that they hold."""

    every: int
    word: Any
    width: int
    outputs: int
    shift: int
    start: Any

    def beginning(self, e: Emitter) -> Callable[[int], Any]:
        """What the sum of an output begins with."""
        if self.start is None:
            return lambda k: e.T.int32(0)
        view = e.view(self.start, self.word * BYTES, self.outputs)
        return lambda k: e.load(view, k, 1)


def _emit_tile(
    e: Emitter, rows: list[ByteRows], tile: Tile, finish: Callable[[Any, int], Finish]
) -> None:
    take = finish(tile.word * BYTES, tile.outputs)
    begin = tile.beginning(e)

    def taken(values: Iterable[Any]) -> None:
        for k, value in enumerate(values):
            take(value, k, 1)

    parts = rows[0].parts
    if all(r.parts is None for r in rows):
        taken(_sum_at_once(e, rows, tile, begin))
    elif parts is not None and len(rows) == 1:

        def one_part() -> None:
            taken(_sum_part(e, rows[0], parts, 0, tile, begin))

        with e.otherwise(parts.count[0] == 1, one_part):
            _sum_parts(e, rows, tile, begin, take)
    else:
        _sum_parts(e, rows, tile, begin, take)


def _sum_at_once(
    e: Emitter, rows: list[ByteRows], tile: Tile, begin: Callable[[int], Any]
) -> Iterator[Any]:
    """All rows at once: their sums fit in 16 bits together."""
    counts = [r.events.count[0] for r in rows]
    acc = _registers(e, tile, sum(counts[1:], counts[0]), counted=False)
    for r in rows:
        with e.each(r.events) as j:
            _add(e, acc, _row(e, r, tile, j), None)
    return _outputs(e, acc, tile, begin, counted=False)


def _sum_part(
    e: Emitter, r: ByteRows, parts: Parts, p: Any, tile: Tile, begin: Callable[[int], Any]
) -> Iterator[Any]:
    T, counted = e.T, r.count is not None
    acc = _registers(e, tile, parts.totals[p], counted)
    first = e.bind("first", parts.start[p])
    with e.loop("i", parts.start[p + 1] - first) as i:
        if counted:
            pair = e.view(parts.own, (first + i) * 2, 2)
            j = e.bind("j", T.cast(e.load(pair, 0, 1), "int32"))
            count = e.bind("count", T.cast(e.load(pair, 1, 1), "uint32"))
        else:
            j, count = e.bind("j", T.cast(r.events.index[first + i], "int32")), None
        _add(e, acc, _row(e, r, tile, j), count)
    return _outputs(e, acc, tile, begin, counted)


def _sum_parts(
    e: Emitter, rows: list[ByteRows], tile: Tile, begin: Callable[[Any], Any], take: Finish
) -> None:
    """Part by part, added in 32 bits, and taken in a loop: seldom, so in little code."""
    sums = e.buffer("sums", tile.outputs, "int32")
    unsplit = [r for r in rows if r.parts is None]
    if unsplit:
        for k, value in enumerate(_sum_at_once(e, unsplit, tile, begin)):
            e.store(sums, k, 1, value)
    else:
        with e.loop("k", tile.outputs) as k:
            e.store(sums, k, 1, begin(k))
    for r in rows:
        if r.parts is not None:
            with e.loop("part", r.parts.count[0]) as p:
                for k, value in enumerate(_sum_part(e, r, r.parts, p, tile, sums.__getitem__)):
                    e.store(sums, k, 1, value)
    with e.loop("k", tile.outputs) as k:
        take(sums[k], k, 1)


def _registers(e: Emitter, tile: Tile, total: Any, counted: bool) -> list[tuple[Any, Any]]:
    """Two sums per word. total: the counts that are added. counted: see `_add`."""
    T = e.T
    n = e.bind("n", T.cast(total, "uint32"))
    if counted:
        odd = T.bitwise_not(n * T.uint32(BIASES)) + T.uint32(1)
        even = odd * T.uint32(257)
    else:
        even, odd = (T.call_extern("uint32", f"first_{side}", n) for side in ("even", "odd"))
    even, odd = e.bind("even", even), e.bind("odd", odd)
    return [
        (e.register(1, even, "uint32"), e.register(1, odd, "uint32")) for _ in range(tile.width)
    ]


def _row(e: Emitter, r: ByteRows, tile: Tile, j: Any) -> Any:
    """The words of a row that a tile takes; C text makes their pointer once, not anew for each."""
    row: Any = e.view(r.words, j * tile.every + tile.word, tile.width)
    if e.generator == "c":
        e.T.evaluate(e.T.call_extern("void", "HELD", row.buffer.data))
    return row


def _add(e: Emitter, acc: list[tuple[Any, Any]], row: Any, count: Any) -> None:
    """Adds a row, or `count` times the row: whole words, and their odd bytes."""
    T = e.T
    for k, (even, odd) in enumerate(acc):
        word = e.load(row, k, 1)
        if count is None:
            e.store(even, 0, 1, T.call_extern("uint32", "add_even_bytes", even[0], word))
            e.store(odd, 0, 1, T.call_extern("uint32", "add_odd_bytes", odd[0], word))
        else:
            e.store(even, 0, 1, even[0] + word * count)
            high = T.bitwise_and(T.shift_right(word, T.uint32(8)), T.uint32(MASK))
            e.store(odd, 0, 1, odd[0] + high * count)


def _outputs(
    e: Emitter,
    acc: list[tuple[Any, Any]],
    tile: Tile,
    begin: Callable[[int], Any],
    counted: bool,
) -> Iterator[Any]:
    """The outputs of the words, in order, times 2^shift; each is made when it is asked for.

    Its shift is what is left of one down 16 places: an upper sum has no bit below them. counted:
    whether a full lower half was carried to the upper one on every core.
    """
    T, k = e.T, 0

    def made(name: str, both: Any) -> Any:
        call = T.call_extern("int32", name, both, begin(k), T.int32(tile.shift))
        return e.register(1, call, "int32")[0]

    for pair in acc:
        even, odd = pair[0][0], pair[1][0]
        if counted:
            even = even + (T.bitwise_not(T.shift_left(odd, T.uint32(8))) + T.uint32(1))
        else:
            even = T.call_extern("uint32", "even_sum", even, odd)
        for both in (even, odd):
            both = e.bind("both", both)
            for name in ("lower_sum", "carried_sum" if counted else "upper_sum"):
                if k < tile.outputs:
                    yield made(name, both)
                    k += 1
