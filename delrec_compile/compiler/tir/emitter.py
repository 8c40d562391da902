"""The TIR emitter that ops write their step with: blocks of lanes, register tiles, event lists.

Differences between devices are a Schedule; no op knows a target's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm import tirx
from tvm.ir import PointerType, PrimType
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as tir

from delrec_compile.compiler.tir.event_lists import EventLists
from delrec_compile.compiler.tir.products import Products
from delrec_compile.targets.schedule import Schedule

UNROLLED = 32
ALIGNED = 64  # bytes, of every buffer
READ_SOON = (0, 2, 1)  # LLVM's prefetch: a read, that the second cache holds, of data


@dataclass(frozen=True)
class BufferView:
    """A part of a buffer. `Emitter.load` and `store` count from its start."""

    buffer: Any
    start: Any

    def __getitem__(self, at: Any) -> Any:
        return self.buffer[self.start + at]

    @property
    def dtype(self) -> Any:
        return self.buffer.dtype


@dataclass(frozen=True)
class LazyBuffer:
    """A value that is read like a buffer, and computed where it is read.

    read(start, at, lanes): the elements from start + at on.
    """

    read: Callable[[Any, Any, int], Any]
    start: Any = 0


class Emitter(EventLists, Products):
    """Emits TIR into the function that is open in the IR builder.

    stride: from one lane of a tile to the next. arrays: elements of each dtype of the buffers that
    were made. workspace: memory of the caller for those of a dtype, in place of the stack.
    """

    stride = 1

    def __init__(self, schedule: Schedule, generator: str = "llvm") -> None:
        self.schedule = schedule
        self.generator = generator
        # TVM's C text knows no other scope
        self.near = "global" if generator == "c" else "local"
        self.T = tir
        self.arrays: dict[str, int] = {}
        self.workspace: Mapping[str, Any] = {}

    @property
    def stack(self) -> int:
        """Bytes of the buffers that lie on the stack."""
        on_stack = {k: n for k, n in self.arrays.items() if k not in self.workspace}
        return sum(n * np.dtype(dtype).itemsize for dtype, n in on_stack.items())

    def buffer(self, name: str, n: int, dtype: str = "float32") -> Any:
        each = ALIGNED // np.dtype(dtype).itemsize
        start = self.arrays.get(dtype, 0)
        self.arrays[dtype] = start + -(-n // each) * each
        if dtype in self.workspace:
            return BufferView(self.workspace[dtype], start)
        return IRBuilder.name(name, tir.alloc_buffer((n,), dtype, scope="global"))

    def bind(self, name: str, value: Any) -> Any:
        """A scalar that is computed once."""
        return IRBuilder.name(name, tir.bind(value))

    def lazy(self, read: Callable[[Any, Any, int], Any]) -> LazyBuffer:
        """A value that is read like a buffer; read(start, at, lanes) computes it."""
        return LazyBuffer(read)

    @contextmanager
    def loop(self, name: str, n: Any) -> Iterator[Any]:
        with tir.serial(n) as i:
            yield IRBuilder.name(name, i)

    @contextmanager
    def repeat(self, condition: Any) -> Iterator[None]:
        """The body happens as long as the condition, which it changes, holds."""
        with tir.While(condition):
            yield

    @contextmanager
    def when(self, condition: Any) -> Iterator[None]:
        """The body happens only when the condition, which seldom holds, does."""
        with tir.If(self._expected(condition, 0)), tir.Then():
            yield

    @contextmanager
    def otherwise(self, condition: Any, then: Callable[[], None]) -> Iterator[None]:
        """`then` happens when the condition holds, as it mostly does; else the body."""
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

    def wrapping(self, a: Any, b: Any, lanes: int, sign: int = 1) -> Any:
        """a + b of int32, or a - b, modulo 2^32: defined whatever they are.

        TVM tells LLVM that sums of 32 bits do not wrap, unsigned ones neither, so they are made in 64,
        which LLVM narrows again. In C text unsigned sums wrap.
        """
        if self.generator == "llvm":
            a, b = (self.cast(value, "int64", lanes) for value in (a, b))
            return self.cast(a + b if sign > 0 else a - b, "int32", lanes)
        if sign < 0:
            # TVM takes unsigned differences for such as cannot be negative: -b is ~b + 1
            b, one = tir.bitwise_not(b), self.splat(tir.uint32(1), lanes)
            a = self.cast(a, "uint32", lanes) + one
        a, b = (self.cast(value, "uint32", lanes) for value in (a, b))
        return self.cast(a + b, "int32", lanes)

    def zero(self, dtype: str, lanes: int) -> Any:
        return self.splat(tir.cast(tir.int32(0), dtype), lanes)

    def load(self, buffer: Any, at: Any, lanes: int) -> Any:
        if isinstance(buffer, LazyBuffer):
            return buffer.read(buffer.start, at, lanes)
        if isinstance(buffer, BufferView):
            buffer, at = buffer.buffer, buffer.start + at
        return buffer[at] if lanes == 1 else buffer[tir.ramp(at, 1, lanes)]

    def store(self, buffer: Any, at: Any, lanes: int, value: Any) -> None:
        if isinstance(buffer, BufferView):
            buffer, at = buffer.buffer, buffer.start + at
        tir.buffer_store(buffer, value, [at if lanes == 1 else tir.ramp(at, 1, lanes)])

    def fetch(self, buffer: Any, at: Any) -> None:
        """Brings an element of a buffer into the second cache, before it is read. For LLVM."""
        address = tir.address_of(buffer[at])
        tir.evaluate(tir.call_intrin("void", "tirx.prefetch", address, *READ_SOON))

    def view(self, buffer: Any, start: Any, size: int) -> BufferView | LazyBuffer:
        """`size` elements of a buffer from `start` on.

        In C text it is a pointer: a C compiler then reads them at constant offsets from it, where
        of `8 * i + 3` it makes an index of its own for each.
        """
        if isinstance(buffer, LazyBuffer):
            return LazyBuffer(buffer.read, buffer.start + start)
        if isinstance(buffer, BufferView):
            buffer, start = buffer.buffer, buffer.start + start
        if self.generator != "c" or isinstance(start, int):
            return BufferView(buffer, start)
        dtype = str(buffer.dtype)
        kind = PointerType(PrimType(dtype), "global")
        pointer = self._named("at", tir.bind(tir.address_of(buffer[start]), kind))
        view = tir.decl_buffer((size,), dtype, data=pointer, scope="global")
        return BufferView(self._named("window", view), 0)

    def _named(self, name: str, thing: Any) -> Any:
        return IRBuilder.name(name, thing)

    def rounded(self, value: Any, lanes: int) -> Any:
        """The value rounded to float32 before it is used: not to be contracted with a sum.

        Compilers contract by default, so each needs a fence; `c_text` holds that of C.
        """
        if self.generator == "c":
            return tir.call_extern("float32", "rounded", value)
        kind = "f32" if lanes == 1 else f"v{lanes}f32"
        return tir.call_llvm_pure_intrin(
            "float32" if lanes == 1 else f"float32x{lanes}", f"llvm.arithmetic.fence.{kind}", value
        )

    def blocks(self, n: int) -> Iterator[tuple[Any, int]]:
        """(start, lanes) that cover 0 .. n, the rest in narrower blocks.

        A few blocks are written out; many become a loop, in which the caller's body stands once.
        """
        lanes = self.schedule.lanes
        full = n // lanes
        if full > UNROLLED:
            with self.loop("block", full) as b:
                yield b * lanes, lanes
        else:
            yield from ((b * lanes, lanes) for b in range(full))
        yield from self._rest(full * lanes, n)

    def tiles(self, n: int, share: int = 1) -> Iterator[list[tuple[Any, int]]]:
        """The blocks in groups that fill the registers; more than one group becomes a loop.

        share: number of groups that have the registers to share.
        """
        lanes, registers = self.schedule.lanes, self.schedule.registers // share
        width = lanes * registers
        full = n // width
        inside = range(0, width, lanes)
        if full > 1:
            with self.loop("tile", full) as b:
                yield [(b * width + at, lanes) for at in inside]
        elif full == 1:
            yield [(at, lanes) for at in inside]
        start = full * width
        rest = [(at, lanes) for at in range(start, n - lanes + 1, lanes)]
        rest += self._rest(start + len(rest) * lanes, n)
        for k in range(0, len(rest), registers):
            yield rest[k : k + registers]

    def groups(self, n: Any, size: int) -> Iterator[list[Any]]:
        """The numbers below n, `size` at a time, 1 or 2: a loop, then one that is left over."""
        with self.loop("s", tir.floordiv(n, size) if size > 1 else n) as s:
            yield [s * size + k if size > 1 else s for k in range(size)]
        if size > 1:
            with tir.If(tir.floormod(n, size) != 0), tir.Then():
                yield [n - 1]

    def runs(self, n: int, size: int) -> Iterator[tuple[Any, int]]:
        """(start, size) that cover 0 .. n: a loop over full runs, then the rest."""
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

    def parts(self, n: int) -> Iterator[tuple[int, int]]:
        """(start, lanes) of blocks, narrower and narrower, that cover 0 .. n, at most a full one."""
        return self._rest(0, n)

    def joined(self, values: Sequence[Any], first: int = 0, lanes: int | None = None) -> Any:
        """The lanes of several vectors, or so many of them from `first` on, as one vector."""
        total = sum(int(value.ty.dtype.lanes) for value in values)
        end = total if lanes is None else first + lanes
        return tirx.Shuffle(list(values), list(range(first, end)))

    def register(self, lanes: int, value: Any, dtype: str = "float32") -> Any:
        """One vector, always read and written in full: the compiler holds it in a register."""
        r = IRBuilder.name("acc", tir.alloc_buffer((lanes,), dtype, scope=self.near))
        self.store(r, 0, lanes, value)
        return r
