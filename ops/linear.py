"""Feed-forward input of a layer: `I = W x + b`.

The sum starts from the recurrent current, then the bias, then the inputs in ascending order. On
frozen weights that lie on a grid (see `delrec_compile.network.grid`) every order gives the same bits.
In TIR it is event-driven: only the rows of active inputs are read, with the sums held in registers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.ops import (
    biased_rows,
    counted_rows,
    joined_rows,
    linear_c,
    narrow_rows,
    silent_rows,
)

if TYPE_CHECKING:
    import torch

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events
    from delrec_compile.ops.counted_rows import Parts

BITS = {"int8": 8, "int16": 16}  # width of weights whose sums have 32 bits
Finish = Callable[[Any, int, int], None]  # (value of a block, offset from its tile's base, lanes)


def reference(x: F32, weight: F32, bias: F32, start: F32 | None = None) -> F32:
    """x: (batch, in), weight: (out, in), bias: (out,), start and result: (batch, out)."""
    total = bias + (np.zeros((len(x), 1), np.float32) if start is None else start)
    for j in np.flatnonzero(x.any(axis=0)):
        total = total + x[:, j, None] * weight[:, j]
    return total


def torch_form(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return x @ weight.T + bias


ONNX = """
<domain: "ai.delrec", opset_import: ["" : 18]>
Linear (x, weight, bias) => (current)
{
    current = Gemm <transB = 1> (x, weight, bias)
}
"""


@dataclass(frozen=True)
class Rows:
    """A sum of weight rows: one row per event, times its count if it has counts.

    weight: flat (in * n,), one row per input, float32, int16 or int8. counts: count of an input, in the
    type of the sums (float32, int32); None when every event counts 1. group: number of rows that are
    interleaved, output by output; an event is all of them, with their counts packed into one int32.
    narrow: whether the rows are int8, count 1 each, and have sums that fit in 16 bits. short: whether
    counts are integers that do. exact: whether a weight times a count has no rounding error. parts:
    the events once more, see `counted_rows`. total: (n,) the sum of all rows, int32, where the list of
    events turns, see `silent_rows`. gone: events whose rows are taken off, of whole numbers without
    counts. joined: whether the rows are `joined_rows`, count 1 each.
    """

    events: Events
    weight: Any
    counts: Any = None
    group: int = 1
    narrow: bool = False
    exact: bool = True
    short: bool = False
    parts: Parts | None = None
    total: Any = None
    gone: Events | None = None
    joined: bool = False

    def inputs(self, n: int) -> int:
        """Number of rows of n outputs, interleaved ones counted once."""
        return int(self.weight.shape[0]) // (n * self.group)

    @property
    def signed(self) -> list[tuple[Events, int]]:
        """The events, with the sign of their rows."""
        return [(self.events, 1), *([] if self.gone is None else [(self.gone, -1)])]


def interleave_rows(rows: NDArray[Any], group: int) -> NDArray[Any]:
    """rows: (in, n). Returns (in / group rounded up, n, group), as `Rows.group` reads them."""
    inputs, n = rows.shape
    padded = np.zeros((-(-inputs // group) * group, n), rows.dtype)
    padded[:inputs] = rows
    return padded.reshape(-1, group, n).transpose(0, 2, 1)


@dataclass(frozen=True)
class Tile:
    """Outputs that are summed together. blocks: (offset from the base, lanes)."""

    base: Any
    size: int
    blocks: tuple[tuple[int, int], ...]

    @staticmethod
    def of(places: list[tuple[Any, int]], stride: int) -> Tile:
        widths = [lanes for _, lanes in places]
        offsets = [sum(widths[:k]) * stride for k in range(len(widths))]
        return Tile(places[0][0], sum(widths), tuple(zip(offsets, widths, strict=True)))

    def groups(self, lanes: int, size: int) -> int:
        """Number of blocks, from the first on, in full groups of `size` full blocks."""
        return sum(width == lanes for _, width in self.blocks) // size * size


@dataclass(frozen=True)
class Sums:
    """The terms of a sum, in this order: start + rows `before` + bias + rows `after`.

    start: (n,) currents to begin with. finish(base, size) is called once per tile (outputs base to
    base + size) and returns the function that takes its blocks. dtype: type of the sums.
    """

    dtype: str
    finish: Callable[[Any, int], Finish]
    after: Rows | None = None
    before: Sequence[Rows] = ()
    bias: Any = None
    start: Sequence[Any] = ()


def emit(
    e: Emitter,
    n: int,
    sums: Callable[[Any], Sums],
    steps: Any = None,
    kept: Callable[[Any], tuple[Any, Any]] | None = None,
    together: int = 1,
    crowded: bool = False,
) -> None:
    """Sums of n outputs, held in registers tile by tile.

    sums: of a step. steps: how many time steps are summed per tile, whose weights then stay near;
    None: the one step sums(None). kept: whether a step has sums that are in memory already, and where.
    together: steps at a time that share the events, and read each row once; they have no other terms.
    crowded: whether two steps at a time read all rows, where most have an event; nothing is kept.
    """
    if crowded:
        with e.otherwise(_is_crowded(e, n, sums, steps), partial(_emit_all, e, n, sums, steps)):
            emit(e, n, sums, steps, kept, together)
        return
    for places in e.tiles(n, together):
        tile = Tile.of(places, e.stride)
        if steps is None:
            _emit_tile(e, sums(None), tile, n)
            continue
        for group in e.groups(steps, together):
            if kept is not None:
                same, memory = kept(group[0])
                with e.otherwise(same, partial(_take_kept, e, sums(group[0]), tile, memory)):
                    _emit_tile(e, sums(group[0]), tile, n)
            elif len(group) == 1:
                _emit_tile(e, sums(group[0]), tile, n)
            else:
                _emit_together(e, [sums(s) for s in group], tile, n)


def _take_kept(e: Emitter, sums: Sums, tile: Tile, memory: Any) -> None:
    take, row = sums.finish(tile.base, tile.size), e.view(memory, tile.base, tile.size)
    for at, lanes in tile.blocks:
        take(e.load(row, at, lanes), at, lanes)


def _emit_tile(e: Emitter, sums: Sums, tile: Tile, n: int) -> None:
    take = sums.finish(tile.base, tile.size)
    acc = _begin(e, sums, tile)
    for rows in sums.before:
        _emit_rows(e, rows, tile, acc, n)
    if sums.before and sums.bias is not None:
        _add(e, tile, acc, e.view(sums.bias, tile.base, tile.size))
    if sums.after is not None:
        _emit_rows(e, sums.after, tile, acc, n)
    for (at, lanes), a in zip(tile.blocks, acc, strict=True):
        take(e.load(a, 0, lanes), at, lanes)


def _is_crowded(e: Emitter, n: int, sums: Callable[[Any], Sums], steps: Any) -> Any:
    """Whether more than three of four rows have an event, in the mean of the steps."""
    events = e.counter("events")
    e.store(events, 0, 1, e.T.int32(0))
    with e.loop("s", steps) as s:
        rows = sums(s).after
        assert rows is not None
        e.store(events, 0, 1, events[0] + rows.events.count[0])
    return 4 * events[0] > 3 * (rows.inputs(n) * steps)


def _emit_all(e: Emitter, n: int, sums: Callable[[Any], Sums], steps: Any) -> None:
    """Sums of n outputs of all rows, two steps at a time; those without an event have a count of 0."""
    for places in e.tiles(n, 2):
        tile = Tile.of(places, e.stride)
        for group in e.groups(steps, 2):
            _emit_together(e, [sums(s) for s in group], tile, n, listed=False)


def _emit_together(
    e: Emitter, steps: Sequence[Sums], tile: Tile, n: int, listed: bool = True
) -> None:
    """Steps with counts of their own for interleaved rows: those of events that they share, or all."""
    rows = [sums.after for sums in steps if sums.after is not None]
    size = rows[0].group
    accs = [_begin(e, sums, tile) for sums in steps]
    with e.each(rows[0].events) if listed else e.loop("j", rows[0].inputs(n)) as j:
        counts = [own.counts(j) for own in rows]
        row = e.view(rows[0].weight, (j * n + tile.base) * size, tile.size * size)
        for k, (at, _) in enumerate(tile.blocks):
            for acc, count in zip(accs, counts, strict=True):
                e.add_products(acc[k], row, at, count, size)
    for sums, acc in zip(steps, accs, strict=True):
        take = sums.finish(tile.base, tile.size)
        for (at, lanes), a in zip(tile.blocks, acc, strict=True):
            take(e.load(a, 0, lanes), at, lanes)


def _begin(e: Emitter, sums: Sums, tile: Tile) -> list[Any]:
    """Registers with the initial sums."""
    bias = [sums.bias] if sums.bias is not None and not sums.before else []
    parts = [e.view(b, tile.base, tile.size) for b in (*sums.start, *bias)]
    out = []
    for at, lanes in tile.blocks:
        values = [e.load(part, at, lanes) for part in parts]
        value = sum(values[1:], values[0]) if values else e.zero(sums.dtype, lanes)
        out.append(e.register(lanes, value, sums.dtype))
    return out


def _add(
    e: Emitter,
    tile: Tile,
    acc: list[Any],
    row: Any,
    count: Any = None,
    exact: bool = True,
    short: bool = False,
) -> None:
    """Adds a row to the registers, block by block. count: of its event; -1 where it is taken off."""
    kind = str(row.buffer.dtype)
    size = e.schedule.group(BITS.get(kind, 32))
    full = tile.groups(e.schedule.lanes, size) if size > 1 else 0
    for k in range(0, full, size):
        e.add_group(acc[k : k + size], row, tile.blocks[k][0], 1 if count is None else count)
    for (at, lanes), a in zip(tile.blocks[full:], acc[full:], strict=True):
        value = e.load(row, at, lanes)
        if kind in BITS:
            value = e.cast(value, "int32", lanes)
        if isinstance(count, int):
            value = -value
        elif count is not None:
            value = value * _factors(e, count, lanes, short)
            value = value if exact else e.rounded(value, lanes)
        e.store(a, 0, lanes, e.load(a, 0, lanes) + value)


def _factors(e: Emitter, count: Any, lanes: int, short: bool) -> Any:
    """A count in each lane; with 16 bits of its own where it has no more, which multiplies faster."""
    if not short or lanes == 1:
        return e.splat(count, lanes)
    return e.cast(e.splat(e.T.cast(count, "int16"), lanes), "int32", lanes)


def _emit_rows(e: Emitter, rows: Rows, tile: Tile, acc: list[Any], n: int) -> None:
    if rows.narrow:
        (biased_rows if e.schedule.biases else narrow_rows).emit(e, rows, tile, acc, n)
        return
    if rows.joined:
        joined_rows.emit(e, rows, tile, acc, n)
        return
    if rows.parts is not None:
        counted_rows.emit(e, rows, rows.parts, tile, acc, n)
        return
    size = rows.group
    with silent_rows.subtracting(e, rows, tile, acc) as own:
        for events, sign in own.signed:
            with e.each(events) as j:
                count = None if rows.counts is None else rows.counts(j)
                row = e.view(rows.weight, (j * n + tile.base) * size, tile.size * size)
                if size == 1 and linear_c.takes(e, rows, tile):
                    linear_c.emit(e, acc, row, count)
                elif size == 1:
                    _add(e, tile, acc, row, count if sign > 0 else -1, rows.exact, rows.short)
                else:
                    for (at, _), a in zip(tile.blocks, acc, strict=True):
                        e.add_products(a, row, at, count, size)
