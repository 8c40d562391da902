"""Convolutions over maps in TIR, event-driven: a spike adds the kernel of its channel around its place.

The sums have a margin, so that no edge is tested. Those of a group's outputs lie side by side, and with
them the taps along a row: an event adds a few runs, each in one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from delrec_compile.ops.delay_line import WORD
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.window import Window

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events
    from delrec_compile.compiler.tir.gpu import GpuEmitter


def sums(e: Emitter, maps: Maps, dtype: str) -> Any:
    """Sums with their margins, all zero."""
    size = int(np.prod(maps.summed))
    buffer = e.buffer("sums", size, dtype)
    for at, lanes in e.blocks(size):
        e.store(buffer, at, lanes, e.zero(dtype, lanes))
    return buffer


def scatter(
    e: Emitter,
    maps: Maps,
    events: Events,
    table: Any,
    sums: Any,
    first: int = 0,
    count: Callable[[Any], Any] | None = None,
    exact: bool = True,
) -> None:
    """Adds the kernel of each event to the sums. table: see `Maps.table`, from `first` on.

    count: count of an event; None: each counts 1. exact: see `linear.Rows`.
    """
    (down, right), (high, wide) = maps.stride, maps.steps
    _, _, columns, outputs = maps.summed
    run, channels = wide * outputs, maps.channels // maps.groups
    with _seen(e, maps, events) as j:
        own = None if count is None else e.bind("own", count(j))
        c = e.bind("c", j // (maps.height * maps.width))
        y = e.bind("y", j // maps.width % maps.height + maps.pad[0])
        x = e.bind("x", j % maps.width + maps.pad[1])
        phase = (c * down + y % down) * right + x % right
        taps = e.bind("taps", phase * (high * run) + first)
        row = (c // channels * maps.summed[1] + y // down) * columns + x // right
        at = e.bind("at", row * outputs)
        for a in range(high):
            for k, lanes in e.blocks(run):
                value = e.cast(e.load(table, taps + a * run + k, lanes), str(sums.dtype), lanes)
                if own is not None:
                    value = value * e.splat(own, lanes)
                    value = value if exact else e.rounded(value, lanes)
                place = at + a * columns * outputs + k
                e.store(sums, place, lanes, e.load(sums, place, lanes) + value)


@contextmanager
def _seen(e: Emitter, maps: Maps, events: Events) -> Iterator[Any]:
    """The events, without those of rows and columns that are cropped."""
    rows, columns = maps.window.cropped
    with e.each(events) as j:
        conditions = [j // maps.width % maps.height < maps.height - rows] if rows else []
        conditions += [j % maps.width < maps.width - columns] if columns else []
        if not conditions:
            yield j
            return
        within = conditions[0] if len(conditions) == 1 else e.T.And(*conditions)
        with e.T.If(within), e.T.Then():
            yield j


def without_margins(e: Emitter, maps: Maps, sums: Any) -> Any:
    """The sums of the outputs, neuron after neuron; with a peak, the largest of each window."""
    _, high, wide = maps.out
    _, rows, columns, outputs = maps.summed
    above, left = (s - 1 for s in maps.steps)
    current = e.buffer("current", maps.size, str(sums.dtype))

    def at(o: Any, y: Any, x: Any) -> Any:
        line = (o // outputs * rows + y + above) * columns + left
        return e.load(sums, (line + x) * outputs + o % outputs, 1)

    with e.loop("o", maps.kernel[0]) as o, e.loop("y", high) as y, e.loop("x", wide) as x:
        value = at(o, y, x)
        if maps.peak is not None:
            taken = [at(o, *place) for place in _places(e, maps, maps.peak, y, x)]
            value = reduce(e.T.max, taken)
        e.store(current, (o * high + y) * wide + x, 1, value)
    return e.view(current, 0, maps.size)


def _places(
    e: Emitter | GpuEmitter, maps: Maps, peak: Window, y: Any, x: Any
) -> Iterator[tuple[Any, Any]]:
    """Rows and columns of the sums that window (y, x) sees; a place outside has another for it."""
    ends = [n - 1 for n in maps.sums[1:]]
    beyond = [any(p) for p in zip(peak.pad, peak.ends, strict=True)]
    for a in range(peak.size[0]):
        for b in range(peak.size[1]):
            place = [
                at * s + k * d - p
                for at, s, k, d, p in zip(
                    (y, x), peak.stride, (a, b), peak.dilation, peak.pad, strict=True
                )
            ]
            row, column = (
                e.T.max(e.T.min(v, end), 0) if out else v
                for v, end, out in zip(place, ends, beyond, strict=True)
            )
            yield row, column


def emit_gpu(
    e: GpuEmitter,
    maps: Maps,
    i: Any,
    table: Any,
    total: Any,
    value_of: Callable[[Any], Any],
    first: int = 0,
) -> None:
    """Adds the current of neuron i to `total`, in its type. value_of(j): value of input j."""
    _, high, wide = maps.out
    o, y, x = i // (high * wide), i // wide % high, i % wide
    if maps.peak is None:
        _add_sum(e, maps, (o, y, x), table, total, value_of, first)
        return
    best = None
    for place in _places(e, maps, maps.peak, y, x):
        own = e.register(1, e.zero(str(total.dtype), 1), str(total.dtype))
        _add_sum(e, maps, (o, *place), table, own, value_of, first)
        if best is None:
            best = own
        else:
            e.store(best, 0, 1, e.T.max(best[0], own[0]))
    assert best is not None
    e.store(total, 0, 1, total[0] + best[0])


def _add_sum(
    e: GpuEmitter,
    maps: Maps,
    at: tuple[Any, Any, Any],
    table: Any,
    total: Any,
    value_of: Callable[[Any], Any],
    first: int,
) -> None:
    """Adds the sum of one place (channel, row, column) to `total`."""
    T, dtype = e.T, str(total.dtype)
    outputs, channels, rows, columns = maps.kernel
    (down, right), (tall, broad), (along, across) = maps.stride, maps.steps, maps.dilation
    each, (o, top, left) = outputs // maps.groups, at
    used = [n - k for n, k in zip((maps.height, maps.width), maps.window.cropped, strict=True)]
    with e.loop("c", channels) as k, e.loop("a", rows) as a, e.loop("b", columns) as b:
        c = o // each * channels + k
        y, x = top * down + a * along - maps.pad[0], left * right + b * across - maps.pad[1]
        inside = T.And(T.And(y >= 0, y < used[0]), T.And(x >= 0, x < used[1]))
        with e.when(inside):
            phase = (c * down + a * along % down) * right + b * across % right
            run = (phase * tall + tall - 1 - a * along // down) * broad
            run = run + broad - 1 - b * across // right
            tap = T.cast(table[first + run * each + o % each], dtype)
            value = T.cast(value_of((c * maps.height + y) * maps.width + x), dtype)
            e.store(total, 0, 1, total[0] + tap * value)


def spike_in(e: GpuEmitter, mask: Any, j: Any, lead: Any, dtype: str = "float32") -> Any:
    """1 where bit j of a mask that begins at word `lead` is set, else 0."""
    T = e.T
    shift = T.cast(T.bitwise_and(j, WORD - 1), "uint32")
    bit = T.bitwise_and(T.shift_right(mask[lead + T.shift_right(j, 5)], shift), T.uint32(1))
    return T.cast(bit, dtype)
