"""The TIR emitter that ops write their step with: blocks of lanes, register tiles, event lists.

What differs from device to device is a Schedule; no op knows a target's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvm.ir import PointerType, PrimType
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as tir

from delrec_compile.ops.schedule import Schedule

NARROWEST = 8
BY_TABLE = ("movemask", "table")
PLACES = 8
MASKED = (4, 8)
HALF = 8  # lanes of a device whose pairs are added by AVX2
UNROLLED = 32


@dataclass(frozen=True)
class Events:
    """Indices of what is active, ascending: index[0 : count[0]]."""

    index: Any
    count: Any


@dataclass(frozen=True)
class Window:
    """A part of a buffer. `Emitter.load` and `store` count from its start."""

    buffer: Any
    start: Any


@dataclass(frozen=True)
class Computed:
    """What is read like a buffer, and is computed where it is read.

    read(start, at, lanes): the elements from start + at on.
    """

    read: Callable[[Any, Any, int], Any]
    start: Any = 0


def places() -> NDArray[np.uint8]:
    """(256 * 8,): for each mask of 8 bits, where its bits are, ascending, then zeros."""
    out = np.zeros((1 << PLACES, PLACES), np.uint8)
    for mask in range(1 << PLACES):
        at = [bit for bit in range(PLACES) if mask >> bit & 1]
        out[mask, : len(at)] = at
    return out.reshape(-1)


class Emitter:
    """Emits TIR into the function that is open in the IR builder.

    stride: from one lane of a tile to the next.
    """

    stride = 1

    def __init__(self, schedule: Schedule, generator: str = "llvm") -> None:
        self.schedule = schedule
        self.generator = generator
        # TVM's C text knows no other scope
        self.near = "global" if generator == "c" else "local"
        self.T = tir
        self.places: Any = None  # the table of `places`, of lists that need it

    def buffer(self, name: str, n: int, dtype: str = "float32") -> Any:
        return IRBuilder.name(name, tir.alloc_buffer((n,), dtype, scope="global"))

    def bind(self, name: str, value: Any) -> Any:
        """A scalar that is computed once."""
        return IRBuilder.name(name, tir.bind(value))

    @contextmanager
    def loop(self, name: str, n: Any) -> Iterator[Any]:
        with tir.serial(n) as i:
            yield IRBuilder.name(name, i)

    @contextmanager
    def when(self, condition: Any) -> Iterator[None]:
        """What is emitted inside happens only when the condition, which seldom holds, does."""
        with tir.If(self._expected(condition, 0)), tir.Then():
            yield

    @contextmanager
    def otherwise(self, condition: Any, then: Callable[[], None]) -> Iterator[None]:
        """`then` happens when the condition holds, as it mostly does; else what is emitted inside."""
        with tir.If(self._expected(condition, 1)):
            with tir.Then():
                then()
            with tir.Else():
                yield

    def _expected(self, condition: Any, value: int) -> Any:
        """C compilers else compute both sides of a short branch, at the cost of both."""
        if self.generator != "c":
            return condition
        return tir.call_extern("bool", "SELDOM" if value == 0 else "MOSTLY", condition)

    def splat(self, value: Any, lanes: int) -> Any:
        return value if lanes == 1 else tir.broadcast(value, lanes)

    def cast(self, value: Any, dtype: str, lanes: int) -> Any:
        return tir.cast(value, dtype if lanes == 1 else f"{dtype}x{lanes}")

    def zero(self, dtype: str, lanes: int) -> Any:
        return self.splat(tir.cast(tir.int32(0), dtype), lanes)

    def add_group(self, group: Sequence[Any], row: Any, at: Any, count: Any) -> None:
        """Adds blocks of a row that lie side by side, times the count, to a register each.

        Two blocks of int16, or four of int8 with a count below 256.
        """
        lanes, size = self.schedule.lanes, len(group)
        bits = 32 // size
        blocks = self.load(row, at, size * lanes)
        for k, acc in enumerate(group):
            factor = self.splat(tir.shift_left(tir.cast(count, "int32"), k * bits), lanes)
            factor = tir.reinterpret(f"int{bits}x{size * lanes}", factor)
            self._dot(acc, blocks, factor, size)

    def add_products(self, acc: Any, row: Any, at: Any, counts: Any, size: int) -> None:
        """Adds to a register a block of `size` rows that lie side by side, times a count each.

        counts: of the rows, packed into one int32: two of 16 bits, or four below 256 of 8.
        """
        lanes, bits = self.schedule.lanes, 32 // size
        blocks = self.load(row, at * size, size * lanes)
        factors = tir.reinterpret(f"int{bits}x{size * lanes}", self.splat(counts, lanes))
        self._dot(acc, blocks, factors, size)

    def _dot(self, acc: Any, blocks: Any, factors: Any, size: int) -> None:
        lanes = self.schedule.lanes
        if lanes == HALF:
            both = tir.call_llvm_pure_intrin("int32x8", "llvm.x86.avx2.pmadd.wd", blocks, factors)
            self.store(acc, 0, lanes, self.load(acc, 0, lanes) + both)
            return
        name, pair = (
            ("vpdpwssd", (blocks, factors)) if size == 2 else ("vpdpbusd", (factors, blocks))
        )
        total = tir.call_llvm_pure_intrin(
            f"int32x{lanes}", f"llvm.x86.avx512.{name}.512", self.load(acc, 0, lanes), *pair
        )
        self.store(acc, 0, lanes, total)

    def load(self, buffer: Any, at: Any, lanes: int) -> Any:
        if isinstance(buffer, Computed):
            return buffer.read(buffer.start, at, lanes)
        if isinstance(buffer, Window):
            buffer, at = buffer.buffer, buffer.start + at
        return buffer[at] if lanes == 1 else buffer[tir.ramp(at, 1, lanes)]

    def store(self, buffer: Any, at: Any, lanes: int, value: Any) -> None:
        if isinstance(buffer, Window):
            buffer, at = buffer.buffer, buffer.start + at
        tir.buffer_store(buffer, value, [at if lanes == 1 else tir.ramp(at, 1, lanes)])

    def window(self, buffer: Any, start: Any, size: int) -> Window | Computed:
        """`size` elements of a buffer from `start` on.

        In C text it is a pointer: a C compiler then reads them at constant offsets from it, where
        of `8 * i + 3` it makes an index of its own for each.
        """
        if isinstance(buffer, Computed):
            return Computed(buffer.read, buffer.start + start)
        if isinstance(buffer, Window):
            buffer, start = buffer.buffer, buffer.start + start
        if self.generator != "c" or isinstance(start, int):
            return Window(buffer, start)
        dtype = str(buffer.dtype)
        kind = PointerType(PrimType(dtype), "global")
        pointer = self._named("at", tir.bind(tir.address_of(buffer[start]), kind))
        view = tir.decl_buffer((size,), dtype, data=pointer, scope="global")
        return Window(self._named("window", view), 0)

    def _named(self, name: str, thing: Any) -> Any:
        return IRBuilder.name(name, thing)

    def rounded(self, value: Any, lanes: int) -> Any:
        """The value rounded to float32 before it is used: not to be contracted with a sum.

        LLVM contracts by default, so it needs a fence; C is compiled with contraction off.
        """
        if self.generator == "c":
            return value
        kind = "f32" if lanes == 1 else f"v{lanes}f32"
        return tir.call_llvm_pure_intrin(
            "float32" if lanes == 1 else f"float32x{lanes}", f"llvm.arithmetic.fence.{kind}", value
        )

    def blocks(self, n: int) -> Iterator[tuple[Any, int]]:
        """(start, lanes) that cover 0 .. n, the rest in narrower blocks.

        A few blocks are written out; many become a loop, in which the caller's body stands once.
        """
        lanes = self.schedule.lanes
        whole = n // lanes
        if whole > UNROLLED:
            with self.loop("block", whole) as b:
                yield b * lanes, lanes
        else:
            yield from ((b * lanes, lanes) for b in range(whole))
        yield from self._rest(whole * lanes, n)

    def tiles(self, n: int) -> Iterator[list[tuple[Any, int]]]:
        """The blocks in groups that fill the registers; more than one group becomes a loop."""
        lanes = self.schedule.lanes
        width = lanes * self.schedule.registers
        whole = n // width
        inside = range(0, width, lanes)
        if whole > 1:
            with self.loop("tile", whole) as b:
                yield [(b * width + at, lanes) for at in inside]
        elif whole == 1:
            yield [(at, lanes) for at in inside]
        start = whole * width
        rest = [(at, lanes) for at in range(start, n - lanes + 1, lanes)]
        rest += self._rest(start + len(rest) * lanes, n)
        for k in range(0, len(rest), self.schedule.registers):
            yield rest[k : k + self.schedule.registers]

    def runs(self, n: int, size: int) -> Iterator[tuple[Any, int]]:
        """(start, size) that cover 0 .. n: a loop over whole runs, then the rest."""
        if n >= 2 * size:
            with self.loop("run", n // size) as b:
                yield b * size, size
        elif n >= size:
            yield 0, size
        if n % size:
            yield n - n % size, n % size

    def _rest(self, at: int, n: int) -> Iterator[tuple[int, int]]:
        lanes = self.schedule.lanes
        while at < n:
            while lanes > n - at:
                lanes //= 2
            yield at, lanes
            at += lanes

    def register(self, lanes: int, value: Any, dtype: str = "float32") -> Any:
        """One vector, read and written whole only: the compiler keeps it in a register."""
        r = IRBuilder.name("acc", tir.alloc_buffer((lanes,), dtype, scope=self.near))
        self.store(r, 0, lanes, value)
        return r

    def events(self, n: int) -> Events:
        """An event list with room for n events."""
        widest = n - 1
        element = "uint8" if widest < 1 << 8 else "uint16" if widest < 1 << 16 else "uint32"
        index = self.buffer("events", n + max(self.schedule.lanes, PLACES), element)
        return Events(index, self.counter("count"))

    def counter(self, name: str) -> Any:
        return IRBuilder.name(name, tir.alloc_buffer((1,), "int32", scope=self.near))

    @contextmanager
    def each(self, events: Events) -> Iterator[Any]:
        """A loop over the events; gives the index of each."""
        with self.loop("i", events.count[0]) as i:
            yield self.bind("j", tir.cast(events.index[i], "int32"))

    def clear(self, events: Events) -> None:
        self.store(events.count, 0, 1, tir.int32(0))

    def list_active(self, events: Events, n: int, active: Callable[[Any, int], Any]) -> None:
        """Lists, ascending, every i below n for which active(i, 1) holds."""
        self.clear(events)
        if self.schedule.events not in ("compress", *BY_TABLE):
            with self.loop("i", n) as i:
                self._append_one(events, active(i, 1), i)
            return
        for at, lanes in self.blocks(n):
            self._append_block(events, active, at, lanes)

    def append(
        self, events: Events, active: Callable[[int, int], Any], at: Any, lanes: int
    ) -> None:
        """Appends at + q for each q below lanes for which active(q, 1) holds."""
        if self.schedule.events == "compress" and lanes >= NARROWEST:
            self._append_packed(events, active(0, lanes), at, lanes)
            return
        if self.schedule.events in BY_TABLE and lanes in MASKED:
            self._append_placed(events, active(0, lanes), at, lanes)
            return
        for q in range(lanes):
            self._append_one(events, active(q, 1), at + q)

    def _append_block(self, events: Events, active: Any, at: Any, lanes: int) -> None:
        self.append(events, lambda q, width: active(at + q, width), at, lanes)

    def _append_one(self, events: Events, active: Any, i: Any) -> None:
        if self.schedule.events == "branch":
            with self.when(active):
                self.append_always(events, i)
            return
        self._put(events, i)
        self.store(events.count, 0, 1, events.count[0] + tir.cast(active, "int32"))

    def append_always(self, events: Events, i: Any) -> None:
        """Appends i."""
        self._put(events, i)
        self.store(events.count, 0, 1, events.count[0] + 1)

    def _put(self, events: Events, i: Any) -> None:
        number = tir.int32(i) if isinstance(i, int) else i
        value = tir.cast(number, str(events.index.dtype))
        self.store(events.index, events.count[0], 1, value)

    def _append_placed(self, events: Events, active: Any, at: Any, lanes: int) -> None:
        """The mask of a block picks the places of its active elements from a table."""
        bits = self.bind("bits", self._mask_bits(active, lanes))
        element = str(events.index.dtype)
        places = self.cast(self.load(self.places, bits * PLACES, PLACES), element, PLACES)
        first = self.splat(tir.cast(tir.int32(at) if isinstance(at, int) else at, element), PLACES)
        self.store(events.index, events.count[0], PLACES, places + first)
        self.store(events.count, 0, 1, events.count[0] + tir.popcount(bits))

    def _mask_bits(self, active: Any, lanes: int) -> Any:
        """One bit per lane."""
        if self.schedule.events == "movemask":
            ones = tir.Select(active, self.splat(tir.int32(-1), lanes), self.zero("int32", lanes))
            name = "sse.movmsk.ps" if lanes == 4 else "avx.movmsk.ps.256"
            signs = tir.reinterpret(f"float32x{lanes}", ones)
            return tir.call_llvm_pure_intrin("int32", f"llvm.x86.{name}", signs)
        powers = tir.cast(
            tir.shift_left(self.splat(tir.int32(1), lanes), tir.ramp(0, 1, lanes)), f"uint8x{lanes}"
        )
        chosen = tir.Select(active, powers, self.zero("uint8", lanes))
        total = tir.call_llvm_pure_intrin("uint8", f"llvm.vector.reduce.add.v{lanes}i8", chosen)
        return tir.cast(total, "int32")

    def _append_packed(self, events: Events, active: Any, at: Any, lanes: int) -> None:
        element = str(events.index.dtype)
        kind, wide = f"v{lanes}i{element[4:]}", f"{element}x{lanes}"
        first = tir.int32(at) if isinstance(at, int) else at
        packed = tir.call_llvm_pure_intrin(
            wide,
            f"llvm.experimental.vector.compress.{kind}",
            tir.cast(tir.ramp(first, 1, lanes), wide),
            active,
            tir.broadcast(tir.cast(tir.int32(0), element), lanes),
        )
        self.store(events.index, events.count[0], lanes, packed)
        added = tir.call_llvm_pure_intrin(
            element, f"llvm.vector.reduce.add.{kind}", tir.cast(active, wide)
        )
        self.store(events.count, 0, 1, events.count[0] + tir.cast(added, "int32"))
