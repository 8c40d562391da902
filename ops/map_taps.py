"""The taps of a convolution over maps as events add them, when sums lie as (row, column, channel).

An input at row y is at Y = y + pad, in phase Y % stride of the rows. A tap a of that phase, which is one
with a % stride = Y % stride, reaches the output row Y // stride - a // stride; so for columns. An event
adds, per tap of the rows, a few runs of sums: the taps along the row and all output channels of a
run lie side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.ops.maps import Maps

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter

WRITTEN_OUT = 8  # elements of a run that a core without vectors adds without a loop
Tap = tuple[int, int | None]  # offset, and its row or column of the kernel; None: weights of 0


@dataclass(frozen=True)
class Run:
    """Columns side by side: of offsets first, first - 1, .. taps: column of the kernel of each."""

    first: int
    taps: tuple[int | None, ...]


@dataclass(frozen=True)
class MapTaps:
    """exact: columns of every phase have their own taps alone; else phases have runs of one length,
    with weights of 0 where one has no tap: for vectors, which lose more by a branch.
    """

    maps: Maps
    exact: bool

    @cached_property
    def rows(self) -> list[list[tuple[int, int]]]:
        """(offset, row of the kernel) of the taps of each phase."""
        return _by_phase(self.maps.kernel[2], self.maps.stride[0])

    @cached_property
    def columns(self) -> list[list[Run]]:
        """Runs of each phase."""
        own = _by_phase(self.maps.kernel[3], self.maps.stride[1])
        everywhere = sorted({offset for taps in own for offset, _ in taps})
        runs = []
        for taps in own:
            known = dict(taps)
            offsets = sorted(known) if self.exact else everywhere
            runs.append(_runs([(o, known.get(o)) for o in offsets], self.maps.groups == 1))
        return runs

    @property
    def reach(self) -> int:
        """Output rows that one input reaches, at most."""
        return max(offset for taps in self.rows for offset, _ in taps) + 1

    @property
    def left(self) -> int:
        """Columns of the margin on the left of a row of sums."""
        return max(run.first for runs in self.columns for run in runs)

    @property
    def width(self) -> int:
        """Columns of a row of sums, with its margins."""
        last = (self.maps.width - 1 + self.maps.pad[1]) // self.maps.stride[1]
        return max(last + 1, self.maps.out[2]) + self.left

    @property
    def each(self) -> int:
        """Output channels of a group."""
        return self.maps.kernel[0] // self.maps.groups

    def length(self, phase: int, column: int) -> int:
        """Weights of an event in these phases."""
        taps = sum(len(run.taps) for run in self.columns[column])
        return len(self.rows[phase]) * taps * self.each

    def start(self, phase: int, column: int) -> int:
        """Place in the table of the weights of channel 0 in these phases."""
        down, right = self.maps.stride
        places = [(p, q) for p in range(down) for q in range(right)]
        before = places[: places.index((phase, column))]
        return sum(self.length(*place) for place in before) * self.maps.channels

    def table(self, kernel: NDArray[Any]) -> NDArray[Any]:
        """kernel: (O, C / groups, rows, columns). Flat, by phases, channel, tap of the rows, run."""
        parts = [
            self._of(kernel, phase, column).reshape(-1)
            for phase in range(self.maps.stride[0])
            for column in range(self.maps.stride[1])
        ]
        return np.concatenate(parts)

    def _of(self, kernel: NDArray[Any], phase: int, column: int) -> NDArray[Any]:
        """(C, taps of the rows, taps of the columns, outputs of a group)."""
        taps = [tap for run in self.columns[column] for tap in run.taps]
        grouped = kernel.reshape(self.maps.groups, self.each, *kernel.shape[1:])
        by_channel = grouped.transpose(0, 2, 3, 4, 1)  # group, channel, row, column, output
        by_channel = by_channel.reshape(self.maps.channels, *by_channel.shape[2:])
        rows = by_channel[:, [a for _, a in self.rows[phase]]]
        chosen = rows[:, :, [tap or 0 for tap in taps]]
        chosen[:, :, [k for k, tap in enumerate(taps) if tap is None]] = 0
        return np.asarray(chosen)


def _by_phase(size: int, stride: int) -> list[list[tuple[int, int]]]:
    out: list[list[tuple[int, int]]] = [[] for _ in range(stride)]
    for tap in range(size):
        out[tap % stride].append((tap // stride, tap))
    return out


def _runs(taps: Sequence[Tap], joined: bool) -> list[Run]:
    """Taps of falling offsets, those of neighbouring columns joined."""
    runs: list[Run] = []
    for offset, tap in sorted(taps, key=lambda t: -t[0]):
        if joined and runs and runs[-1].first - len(runs[-1].taps) == offset:
            runs[-1] = Run(runs[-1].first, (*runs[-1].taps, tap))
        else:
            runs.append(Run(offset, (tap,)))
    return runs


@dataclass(frozen=True)
class MapEvent:
    """An event of maps: channel, column, and its count in the type of the sums; None: 1."""

    channel: Any
    column: Any
    count: Any = None


def add_event(
    e: Emitter,
    taps: MapTaps,
    event: MapEvent,
    phase: int,
    table: Any,
    sums: Any,
    rows: Callable[[int], Any],
    exact: bool = True,
) -> None:
    """Adds the weights of an event in a phase of the rows to sums.

    rows(k): place in `sums` of the row that tap k of the phase reaches. exact: see `linear.Rows`.
    """
    T, m = e.T, taps.maps
    right = m.stride[1]
    at = e.bind("x", event.column + m.pad[1]) if m.pad[1] else event.column
    place = e.bind("place", T.truncdiv(at, right) if right > 1 else at)
    adder = _Adder(e, taps, event, table, sums, rows, place, exact)
    own = T.truncmod(at, right)
    if right == 1:
        adder.add(phase, 0, taps.start(phase, 0))
    elif not taps.exact:
        step = taps.length(phase, 0) * m.channels
        adder.add(phase, 0, taps.start(phase, 0) + own * step)
    else:
        own = e.bind("phase", own)
        for column in range(right):
            with T.If(own == column), T.Then():
                adder.add(phase, column, taps.start(phase, column))


@dataclass(frozen=True)
class _Adder:
    """place: column of the sums, from their margin on, that offset `left` reaches."""

    e: Emitter
    taps: MapTaps
    event: MapEvent
    table: Any
    sums: Any
    rows: Callable[[int], Any]
    place: Any
    exact: bool

    def add(self, phase: int, column: int, start: Any) -> None:
        e, taps = self.e, self.taps
        outputs, length = taps.maps.kernel[0], taps.length(phase, column)
        if not length:
            return
        first = e.bind("first", start + self.event.channel * length)
        group: Any = 0
        if taps.maps.groups > 1:
            channels = taps.maps.channels // taps.maps.groups
            group = e.T.truncdiv(self.event.channel, channels) * taps.each
        at = 0
        for k in range(len(taps.rows[phase])):
            row = e.bind("row", self.rows(k) + self.place * outputs + group)
            for run in taps.columns[column]:
                n = len(run.taps) * taps.each
                to = (taps.left - run.first) * outputs
                self._run(row + to if to else row, first + at if at else first, n)
                at += n

    def _run(self, to: Any, of: Any, n: int) -> None:
        e = self.e
        sums, weights = e.view(self.sums, to, n), e.view(self.table, of, n)
        if e.schedule.lanes == 1 and n > WRITTEN_OUT:
            with e.loop("k", n) as k:
                self._block(sums, weights, k, 1)
            return
        for k, lanes in e.blocks(n):
            self._block(sums, weights, k, lanes)

    def _block(self, sums: Any, weights: Any, at: Any, lanes: int) -> None:
        e, dtype = self.e, str(sums.dtype)
        value = e.load(weights, at, lanes)
        value = value if str(weights.dtype) == dtype else e.cast(value, dtype, lanes)
        if self.event.count is not None:
            value = value * e.splat(self.event.count, lanes)
            value = value if self.exact else e.rounded(value, lanes)
        e.store(sums, at, lanes, e.load(sums, at, lanes) + value)
