"""Sums of integer weight rows, as the schedule adds them: three strategies, the same sums.

A sum of weight units times 2^fraction is in membrane units.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from tvm.tirx.script import builder as tir

from delrec_compile.aliases import INT16_MAX, Ints
from delrec_compile.compiler.kernels.integer_tables import in_words, is_narrow
from delrec_compile.compiler.kernels.step_inputs import Incoming
from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.ops import byte_rows, linear
from delrec_compile.ops.byte_rows import ByteRows
from delrec_compile.targets.schedule import Schedule

FinishTile = Callable[[Any, int], linear.Finish]


@dataclass(frozen=True)
class RowSum:
    """Weight rows of the events of `incoming`. table: their buffer. max_count: of one input.

    total: see `linear.Rows`.
    """

    incoming: Incoming
    weight: Ints
    table: Any
    max_count: int
    total: Any = None

    def rows(self, schedule: Schedule) -> linear.Rows:
        """Rows as 32-bit sums take them."""
        c, narrow = self.incoming, is_narrow(self.weight, schedule, self.max_count)
        short = self.max_count <= INT16_MAX
        return linear.Rows(
            c.events,
            self.table,
            c.count,
            c.group,
            narrow,
            short=short,
            parts=c.parts,
            total=self.total,
        )

    def bound(self) -> Any:
        """(out,): largest size of each sum."""
        return np.abs(self.weight.astype(np.int64)).sum(axis=1) * self.max_count


class IntegerSums(ABC):
    """A strategy. fuses_neurons: whether neurons are updated tile by tile as their sums are made."""

    fuses_neurons: ClassVar[bool] = False

    def __init__(self, e: Emitter) -> None:
        self.e = e

    @abstractmethod
    def emit(self, n: int, parts: list[RowSum], finish: FinishTile, fraction: int) -> None:
        """Sums of n outputs over all parts; `finish` takes them in membrane units."""


class RegisterSums(IntegerSums):
    """32-bit sums in registers, tile by tile."""

    fuses_neurons = True

    def emit(self, n: int, parts: list[RowSum], finish: FinishTile, fraction: int) -> None:
        one, *others = (part.rows(self.e.schedule) for part in parts)
        sums = linear.Sums("int32", scaled(self.e, finish, fraction), one, others)
        linear.emit(self.e, n, lambda _: sums)


class MemorySums(IntegerSums):
    """Sums in memory, row after row: loops that a C compiler turns into vector instructions."""

    def emit(self, n: int, parts: list[RowSum], finish: FinishTile, fraction: int) -> None:
        one, *others = (part.rows(self.e.schedule) for part in parts)
        take = scaled(self.e, finish, fraction)
        linear.emit_in_memory(self.e, n, [*others, one], take, fit_in_16_bits(parts))


class WordSums(IntegerSums):
    """Four int8 weights to a 32-bit word, for cores without vectors; see `ops.byte_rows`."""

    def emit(
        self, n: int, parts: list[RowSum], finish: FinishTile, fraction: int, start: Any = None
    ) -> None:
        """start: (n,) membrane units that the sums begin with; None: zeros."""
        fits = fit_in_16_bits(parts)
        rows = []
        for part in parts:
            c, split = part.incoming, None
            # rows that count 1 each are not counted where all sums fit
            if not fits or c.count is not None:
                largest = int(np.abs(part.weight.astype(np.int64)).max())
                limit = INT16_MAX // max(1, largest)
                inputs = part.weight.shape[1]
                split = byte_rows.emit_parts(
                    self.e, c.events, c.count, inputs, part.max_count, limit
                )
            rows.append(ByteRows(c.events, part.table, c.count, split))
        byte_rows.emit(self.e, n, rows, finish, fraction, start)


def sums_for(e: Emitter, dtype: Any) -> IntegerSums:
    """The strategy of the schedule for rows of weights of a type."""
    if in_words(dtype, e.schedule):
        return WordSums(e)
    return MemorySums(e) if e.schedule.bytes == "memory" else RegisterSums(e)


def fit_in_16_bits(parts: list[RowSum]) -> bool:
    """Whether every sum over all parts does."""
    return bool(np.max(sum(part.bound() for part in parts)) <= INT16_MAX)


def scaled(e: Emitter, finish: FinishTile, fraction: int) -> FinishTile:
    """`finish`, from sums of weight units."""
    return scaled_by(e, finish, 1 << fraction)


def scaled_by(e: Emitter, finish: FinishTile, unit: int) -> FinishTile:
    """`finish`, from sums of so many membrane units."""

    def finish_units(base: Any, size: int) -> linear.Finish:
        take, worth = finish(base, size), tir.int32(unit)
        return lambda value, at, lanes: take(value * e.splat(worth, lanes), at, lanes)

    return finish_units
