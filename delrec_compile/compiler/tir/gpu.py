"""The emitter's GPU form: a block of threads is one stream, and a thread owns every n-th neuron.

The ops' own `emit` runs on it as it stands, one neuron per thread and round. Threads exchange
data through shared memory: a bit mask, which the warps vote, and an ascending event list,
which each thread derives from the mask. So sums have the order of the CPU form, in every run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as tir

from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.compiler.tir.event_lists import Events
from delrec_compile.ops.delay_line import WORD, words
from delrec_compile.targets.schedule import Schedule

WARP = 32
ALL = 0xFFFFFFFF
ROUNDS = 4
ALIGNED = 64


def threads_for(widest: int, most: int) -> int:
    """A power of two of threads, a multiple of a warp, one per neuron where `most` allows it."""
    return min(most, max(WARP, 1 << (widest - 1).bit_length()))


@dataclass(frozen=True)
class SharedEvents(Events):
    """An event list with its bit mask and its flags, all in shared memory.

    flag: (n,) 0/1, each written and read by its neuron's thread only. mask: words of n bits between
    `lead` words of zeros. count: each thread's own copy.
    """

    n: int
    flag: Any
    mask: Any
    lead: int


class GpuEmitter(Emitter):
    """threads: threads of a block, a power of two and a multiple of a warp."""

    def __init__(self, schedule: Schedule, threads: int) -> None:
        super().__init__(schedule, "cuda")
        self.threads = self.stride = threads
        self.shared_bytes = 0
        self.thread: Any = None

    def shared(self, name: str, n: int, dtype: str) -> Any:
        size = n * np.dtype(dtype).itemsize
        self.shared_bytes += -(-size // ALIGNED) * ALIGNED
        return IRBuilder.name(name, tir.alloc_buffer((n,), dtype, scope="shared"))

    def rounded(self, value: Any, lanes: int) -> Any:
        """A product that no compiler contracts, whatever its flags."""
        return tir.call_extern("float32", "__fmul_rn", value.a, value.b)

    def sync(self) -> None:
        """Every thread of the block gets here before one goes on."""
        tir.evaluate(tir.tvm_storage_sync("shared"))

    def blocks(self, n: int) -> Iterator[tuple[Any, int]]:
        """The thread's own neurons, one after another."""
        for tile in self.tiles(n):
            yield from tile

    def tiles(self, n: int, share: int = 1) -> Iterator[list[tuple[Any, int]]]:
        """The thread's own neurons in groups that fill the registers."""
        rounds, group = n // self.threads, self.schedule.registers // share
        tiles = rounds // group
        if tiles > ROUNDS:
            with self.loop("tile", tiles) as b:
                yield self._rounds(b * group, group)
        else:
            for b in range(tiles):
                yield self._rounds(b * group, group)
        if rounds % group:
            yield self._rounds(tiles * group, rounds % group)
        if n % self.threads:
            with self.when(self.thread < n % self.threads):
                yield self._rounds(rounds, 1)

    def _rounds(self, first: Any, count: int) -> list[tuple[Any, int]]:
        return [((first + r) * self.threads + self.thread, 1) for r in range(count)]

    def shared_events(
        self, name: str, n: int, reach: int = 0, *, listed: bool = True
    ) -> SharedEvents:
        """Room for n events. reach: how far beyond 0 .. n their bits are read. listed: whether a
        list is needed, or the mask only."""
        lead = words(reach)
        element = "uint8" if n <= 1 << 8 else "uint16" if n <= 1 << 16 else "uint32"
        count = IRBuilder.name(f"{name}_count", tir.alloc_buffer((1,), "int32", scope="local"))
        events = SharedEvents(
            index=self.shared(f"{name}_list", n, element) if listed else None,
            count=count,
            n=n,
            flag=self.shared(f"{name}_flag", n, "uint8"),
            mask=self.shared(f"{name}_mask", words(n) + 2 * lead, "uint32"),
            lead=lead,
        )
        for w in range(lead):
            for at in (w, lead + words(n) + w):
                with self.when(self.thread == at % self.threads):
                    self.store(events.mask, at, 1, tir.uint32(0))
        return events

    def clear(self, events: Events) -> None:
        """`vote` counts anew."""

    def append(self, events: Any, active: Callable[[int, int], Any], at: Any, lanes: int) -> None:
        """Flags neuron `at`; it is listed once the block has voted."""
        self.store(events.flag, at, 1, tir.cast(active(0, 1), "uint8"))

    def vote(self, events: SharedEvents) -> None:
        """The mask from the flags, warp by warp. Every thread takes part; a sync must follow."""
        fires = self._scalar("fires", "uint8")
        for r in range(-(-events.n // self.threads)):
            at = r * self.threads + self.thread
            left = events.n - r * self.threads
            if left >= self.threads:
                self.store(fires, 0, 1, events.flag[at])
            else:
                self.store(fires, 0, 1, tir.uint8(0))
                with self.when(self.thread < left):
                    self.store(fires, 0, 1, events.flag[at])
            ballot = tir.call_extern(
                "uint32", "__ballot_sync", tir.uint32(ALL), fires[0] != tir.uint8(0)
            )
            word = self.bind("word", ballot)
            first = tir.bitwise_and(self.thread, WARP - 1) == 0
            if left < self.threads:
                first = tir.And(first, self.thread < left)
            with self.when(first):
                self.store(events.mask, events.lead + tir.shift_right(at, 5), 1, word)

    def gather(self, events: SharedEvents) -> None:
        """The list from the mask, ascending. A sync must follow."""
        lane = tir.bitwise_and(self.thread, WARP - 1)
        warp, warps = tir.shift_right(self.thread, 5), self.threads // WARP
        self.store(events.count, 0, 1, tir.int32(0))
        with self.loop("w", words(events.n)) as w:
            word = self.bind("word", events.mask[events.lead + w])
            bit = tir.shift_left(tir.uint32(1), tir.cast(lane, "uint32"))
            mine = tir.bitwise_and(w, warps - 1) == warp
            with self.when(tir.And(mine, tir.bitwise_and(word, bit) != tir.uint32(0))):
                before = tir.popcount(tir.bitwise_and(word, bit - tir.uint32(1)))
                at = events.count[0] + tir.cast(before, "int32")
                number = tir.cast(w * WORD + lane, str(events.index.dtype))
                self.store(events.index, at, 1, number)
            self.store(events.count, 0, 1, events.count[0] + tir.cast(tir.popcount(word), "int32"))

    def _scalar(self, name: str, dtype: str) -> Any:
        return IRBuilder.name(name, tir.alloc_buffer((1,), dtype, scope="local"))
