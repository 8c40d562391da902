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
from delrec_compile.compiler.kernels.integer_finish import StoreCurrents
from delrec_compile.compiler.kernels.integer_tables import BEYOND_BYTES, in_words, is_narrow
from delrec_compile.compiler.kernels.step_inputs import Incoming
from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.ops import byte_rows, linear, memory_rows
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
            gone=c.gone,
        )

    def bound(self) -> Any:
        """(out,): largest size of each sum."""
        return np.abs(self.weight.astype(np.int64)).sum(axis=1) * self.max_count

    @property
    def limit(self) -> int:
        """Counts of which 16 bits hold every sum."""
        return INT16_MAX // max(1, int(np.abs(self.weight.astype(np.int64)).max()))

    @property
    def in_bytes(self) -> bool:
        """Whether 16 bits hold each product with a count that has no sign."""
        small = self.max_count < BEYOND_BYTES and self.max_count <= self.limit
        return self.weight.dtype == np.int8 and small


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
    """Sums in memory, see `ops.memory_rows`: loops that a C compiler turns into vector instructions."""

    def emit(self, n: int, parts: list[RowSum], finish: FinishTile, fraction: int) -> None:
        fits = fit_in_16_bits(parts)
        if self.e.generator == "c" and all(part.in_bytes for part in parts):
            self._emit_bytes(n, parts, finish, fraction, fits)
            return
        one, *others = (part.rows(self.e.schedule) for part in parts)
        take = scaled(self.e, finish, fraction)
        memory_rows.emit(self.e, n, [*others, one], take, fits)

    def _emit_bytes(
        self, n: int, parts: list[RowSum], finish: FinishTile, fraction: int, fits: bool
    ) -> None:
        """Currents are stored where they belong; other sums meet `finish` one by one."""
        e, unit = self.e, 1 << fraction
        rows = [byte_rows_of(e, part, fits) for part in parts]
        if isinstance(finish, StoreCurrents):
            memory_rows.emit_bytes(e, n, rows, finish.to, finish.bias, unit)
            return
        sums = e.buffer("sums", n, "int32")
        with e.loop("k", n) as k:
            e.store(sums, k, 1, tir.int32(0))
        memory_rows.emit_bytes(e, n, rows, sums, sums, unit)
        with e.loop("k", n) as k:
            finish(k, 1)(sums[k], 0, 1)


class WordSums(IntegerSums):
    """Four int8 weights to a 32-bit word, for cores without vectors; see `ops.byte_rows`."""

    def emit(
        self, n: int, parts: list[RowSum], finish: FinishTile, fraction: int, start: Any = None
    ) -> None:
        """start: (n,) membrane units that the sums begin with; None: zeros."""
        fits = fit_in_16_bits(parts)
        rows = [byte_rows_of(self.e, part, fits) for part in parts]
        byte_rows.emit(self.e, n, rows, finish, fraction, start)


def sums_for(e: Emitter, dtype: Any) -> IntegerSums:
    """The strategy of the schedule for rows of weights of a type."""
    if in_words(dtype, e.schedule):
        return WordSums(e)
    return MemorySums(e) if e.schedule.bytes == "memory" else RegisterSums(e)


def byte_rows_of(e: Emitter, part: RowSum, fits: bool) -> ByteRows:
    """Rows whose events are split where a sum might not fit in 16 bits.

    fits: whether all sums fit; rows that count 1 each are then not counted.
    """
    c, split = part.incoming, None
    if not fits or c.count is not None:
        inputs = part.weight.shape[1]
        split = byte_rows.emit_parts(e, c.events, c.count, inputs, part.max_count, part.limit)
    return ByteRows(c.events, part.table, c.count, split)


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
