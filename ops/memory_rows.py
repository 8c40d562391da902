"""Sums of integer rows in memory: loops that a C compiler turns into vector instructions.

Rows of int8 are added in 16 bits, by a function of C text (`memory_rows_c`) that holds tiles of sums in
vector registers. Where a sum might not fit, events are taken in parts, as in `byte_rows`; what they
add up to has 32 bits. All other rows are added one after another in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from delrec_compile.ops.byte_rows import ByteRows

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.ops.linear import Finish, Rows


def emit(
    e: Emitter, n: int, rows: list[Rows], finish: Callable[[Any, int], Finish], narrow: bool
) -> None:
    """Sums of n outputs, row after row; finish: as in `linear.emit`, int32, one at a time.

    narrow: whether 16 bits hold every sum.
    """
    kind = "int16" if narrow else "int32"
    sums = e.buffer("sums", n, kind)
    with e.loop("k", n) as k:
        e.store(sums, k, 1, e.zero(kind, 1))
    for r in rows:
        with e.each(r.events) as j:
            count = None if r.counts is None else e.bind("count", r.counts(j))
            row = e.view(r.weight, j * n, n)
            with e.loop("k", n) as k:
                value = e.T.cast(e.load(row, k, 1), "int32")
                total = e.T.cast(sums[k], "int32") + (value if count is None else value * count)
                e.store(sums, k, 1, e.T.cast(total, kind))
    with e.loop("k", n) as k:
        finish(k, 1)(e.T.cast(sums[k], "int32"), 0, 1)


def emit_bytes(e: Emitter, n: int, rows: list[ByteRows], to: Any, start: Any, unit: int) -> None:
    """Stores start (n,) and `unit` times the sums over rows of int8 in `to` (n,), int32; in C text.

    The words of the rows are their weights. Without parts, 16 bits hold the sum of each.
    """
    for k, r in enumerate(rows):
        own, more = (e, n, r, to, start, unit), e.T.int32(k > 0)
        if r.parts is None:
            _call(*own, more, (r.events.index, 0, r.events.count[0]))
            continue
        with e.loop("part", r.parts.count[0]) as p:
            first = e.bind("first", r.parts.start[p])
            index, at = (r.events.index, first) if r.count is None else (r.parts.own, first * 2)
            events = (index, at, r.parts.start[p + 1] - first)
            _call(*own, more if k else e.T.cast(p > 0, "int32"), events)


def _call(
    e: Emitter,
    n: int,
    r: ByteRows,
    to: Any,
    start: Any,
    unit: int,
    more: Any,
    events: tuple[Any, Any, Any],
) -> None:
    """See `memory_rows_c`. events: their buffer, or that of pairs of a number and a count; where they
    begin; how many."""
    T, (index, first, number), counted = e.T, events, r.parts is not None and r.count is not None
    begin = (T.address_of(to[0]), T.address_of(start[0]), more, T.int32(unit), T.int32(n))
    own = (T.address_of(r.words[0]), T.address_of(index[first]), number, T.int32(counted))
    T.evaluate(T.call_extern("void", f"sum_rows_{index.dtype}", *begin, *own))
