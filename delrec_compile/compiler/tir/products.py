"""Instructions of x86: products of pairs, or fours, of numbers that are added; look-ups in registers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from tvm.tirx.script import builder as tir

from delrec_compile.targets.schedule import Schedule

MULTIPLY_ADD = {4: "sse2", 8: "avx2"}  # instruction set by lanes; more lanes have VNNI


LOOK_UP = {8: "avx2.permd", 16: "avx512.permvar.si.512"}  # by lanes


class Products(ABC):
    """The part of the emitter that adds interleaved rows, and looks values up."""

    schedule: Schedule

    @abstractmethod
    def splat(self, value: Any, lanes: int) -> Any: ...
    @abstractmethod
    def wrapping(self, a: Any, b: Any, lanes: int, sign: int = 1) -> Any: ...
    @abstractmethod
    def load(self, buffer: Any, at: Any, lanes: int) -> Any: ...
    @abstractmethod
    def store(self, buffer: Any, at: Any, lanes: int, value: Any) -> None: ...

    def add_group(self, group: Sequence[Any], row: Any, at: Any, count: Any) -> None:
        """Adds interleaved blocks of a row, times the count, to a register each.

        Two blocks of int16, or four of int8 with a count below 256.
        """
        lanes, size = self.schedule.lanes, len(group)
        bits = 32 // size
        blocks = self.load(row, at, size * lanes)
        for k, acc in enumerate(group):
            factor = self.splat(_factor(count, bits, k), lanes)
            factor = tir.reinterpret(f"int{bits}x{size * lanes}", factor)
            self._dot(acc, blocks, factor, size)

    def add_joined(self, low: Any, high: Any, row: Any, at: Any, sign: int) -> None:
        """Adds interleaved blocks of int16 as words to `low`, and their upper ones to `high`.

        sign: -1 where they are taken off.
        """
        lanes = self.schedule.lanes
        blocks = self.load(row, at, 2 * lanes)
        words = tir.reinterpret(f"int32x{lanes}", blocks)
        self.store(low, 0, lanes, self.wrapping(self.load(low, 0, lanes), words, lanes, sign))
        factor = self.splat(_factor(sign, 16, 1), lanes)
        self._dot(high, blocks, tir.reinterpret(f"int16x{2 * lanes}", factor), 2)

    def add_products(self, acc: Any, row: Any, at: Any, counts: Any, size: int) -> None:
        """Adds to a register a block of `size` interleaved rows, times a count each.

        counts: one per row, packed into one int32: two of 16 bits, or four below 256 of 8.
        """
        lanes, bits = self.schedule.lanes, 32 // size
        blocks = self.load(row, at * size, size * lanes)
        factors = tir.reinterpret(f"int{bits}x{size * lanes}", self.splat(counts, lanes))
        self._dot(acc, blocks, factors, size)

    @property
    def looks_up(self) -> bool:
        """Whether there is a look-up of a block: on x86, whose lists are made from masks."""
        return self.schedule.marks and self.schedule.lanes in LOOK_UP

    def looked_up(self, table: Any, places: Any) -> Any:
        """The int32 of a block that lie at these places of another, whose higher bits are ignored."""
        lanes = self.schedule.lanes
        name = f"llvm.x86.{LOOK_UP[lanes]}"
        return tir.call_llvm_pure_intrin(f"int32x{lanes}", name, table, places)

    def _dot(self, acc: Any, blocks: Any, factors: Any, size: int) -> None:
        lanes = self.schedule.lanes
        if lanes in MULTIPLY_ADD:
            name = f"llvm.x86.{MULTIPLY_ADD[lanes]}.pmadd.wd"
            both = tir.call_llvm_pure_intrin(f"int32x{lanes}", name, blocks, factors)
            self.store(acc, 0, lanes, self.load(acc, 0, lanes) + both)
            return
        name, pair = (
            ("vpdpwssd", (blocks, factors)) if size == 2 else ("vpdpbusd", (factors, blocks))
        )
        total = tir.call_llvm_pure_intrin(
            f"int32x{lanes}", f"llvm.x86.avx512.{name}.512", self.load(acc, 0, lanes), *pair
        )
        self.store(acc, 0, lanes, total)


def _factor(count: Any, bits: int, k: int) -> Any:
    """The word whose k-th part of so many bits is the count; its other parts are 0."""
    if isinstance(count, int):
        word = (count & (1 << bits) - 1) << k * bits
        return tir.int32(word - (1 << 32) * (word >> 31))
    # the sign of a count below 0 would reach into the other parts
    own = tir.bitwise_and(tir.cast(count, "int32"), (1 << bits) - 1)
    return tir.shift_left(own, k * bits)
