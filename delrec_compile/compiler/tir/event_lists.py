"""Event lists: ascending indices of active elements, built in the way that suits the device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as tir

from delrec_compile.compiler.tir import mask_words
from delrec_compile.targets.schedule import Schedule

NARROWEST = 8
BY_TABLE = ("movemask", "table", "multiply")
PACKED = ("compress", "words")
PLACES = 8
MASKED = (4, 8)


@dataclass(frozen=True)
class Events:
    """Ascending indices of the active elements: index[0 : count[0]].

    first: added to what is appended. plane: bytes with the bit of each element, written as blocks are
    appended; None: there is none. turns: whether it may list the silent elements, see `ops.silent_rows`.
    pending: masks of the blocks of a word that is not full yet; None: a block is listed by itself. late:
    whether `complete` makes the list, from the plane.
    """

    index: Any
    count: Any
    first: Any = field(default=0, kw_only=True)
    plane: Any = field(default=None, kw_only=True)
    turns: bool = field(default=False, kw_only=True)
    pending: list[Any] | None = field(default=None, kw_only=True)
    late: bool = field(default=False, kw_only=True)


def places() -> NDArray[np.uint8]:
    """(256 * 8 + 256,): for each mask of 8 bits, the places of its set bits, ascending, then zeros;
    after them, for each mask the number of its bits."""
    out = np.zeros((1 << PLACES, PLACES), np.uint8)
    for mask in range(1 << PLACES):
        at = [bit for bit in range(PLACES) if mask >> bit & 1]
        out[mask, : len(at)] = at
    sizes = [mask.bit_count() for mask in range(1 << PLACES)]
    return np.concatenate([out.reshape(-1), np.array(sizes, np.uint8)])


def index_type(n: int) -> str:
    """Smallest type of the indices below n."""
    return "uint8" if n <= 1 << 8 else "uint16" if n <= 1 << 16 else "uint32"


def _number(i: Any) -> Any:
    return tir.int32(i) if isinstance(i, int) else i


class EventLists(ABC):
    """The part of the emitter that makes and reads event lists.

    places: table of `places`, for lists that need it.
    """

    schedule: Schedule
    near: str
    places: Any = None

    @abstractmethod
    def buffer(self, name: str, n: int, dtype: str = "float32") -> Any: ...
    @abstractmethod
    def bind(self, name: str, value: Any) -> Any: ...
    @abstractmethod
    def loop(self, name: str, n: Any) -> AbstractContextManager[Any]: ...
    @abstractmethod
    def when(self, condition: Any) -> AbstractContextManager[None]: ...
    @abstractmethod
    def splat(self, value: Any, lanes: int) -> Any: ...
    @abstractmethod
    def cast(self, value: Any, dtype: str, lanes: int) -> Any: ...
    @abstractmethod
    def zero(self, dtype: str, lanes: int) -> Any: ...
    @abstractmethod
    def load(self, buffer: Any, at: Any, lanes: int) -> Any: ...
    @abstractmethod
    def store(self, buffer: Any, at: Any, lanes: int, value: Any) -> None: ...
    @abstractmethod
    def view(self, buffer: Any, start: Any, size: int) -> Any: ...
    @abstractmethod
    def register(self, lanes: int, value: Any, dtype: str = "float32") -> Any: ...
    @abstractmethod
    def joined(self, values: Sequence[Any], first: int = 0, lanes: int | None = None) -> Any: ...
    @abstractmethod
    def blocks(self, n: int) -> Iterator[tuple[Any, int]]: ...
    @abstractmethod
    def _rest(self, at: int, n: int) -> Iterator[tuple[int, int]]: ...

    def events(
        self, n: int, below: int | None = None, planed: bool = False, turns: bool = False
    ) -> Events:
        """An event list with room for n events. below: their limit, by default n.

        planed: whether it has a plane, of whole bytes. turns: as in `Events`.
        """
        index = self.buffer("events", self._room(n), index_type(below or n))
        plane = self.buffer("plane", n // 8, "uint8") if planed else None
        pending = self._pending(n, planed)
        return Events(index, self.counter("count"), plane=plane, turns=turns, pending=pending)

    def lists(
        self,
        n: int,
        many: int,
        below: int | None = None,
        planed: bool = False,
        turns: bool = False,
        late: bool = False,
    ) -> Callable[[Any], Events]:
        """`many` event lists with room for n events each, by their number; see `events`.

        late: whether `complete` makes each just before it is read: all have the same room. For lists by
        `words` alone.
        """
        room = self._room(n)
        index = self.buffer("events", (1 if late else many) * room, index_type(below or n))
        count = self.buffer("counts", 1 if late else many, "int32")
        plane = self.buffer("plane", many * (n // 8), "uint8") if planed else None

        def of(k: Any) -> Events:
            own = None if plane is None else self.view(plane, k * (n // 8), n // 8)
            pending, at = self._pending(n, planed), 0 if late else k
            parts = (self.view(index, at * room, room), self.view(count, at, 1))
            return Events(*parts, plane=own, turns=turns, pending=pending, late=late)

        return of

    def _room(self, n: int) -> int:
        words = self.schedule.events == "words"
        return n + (mask_words.SIZE if words else max(self.schedule.lanes, PLACES))

    def _pending(self, n: int, planed: bool) -> list[Any] | None:
        return [] if planed and self.schedule.lists_words(n) else None

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
        self.list_more(events, n, active)

    def list_more(self, events: Events, n: int, active: Callable[[Any, int], Any]) -> None:
        """Appends, ascending, every i below n for which active(i, 1) holds."""
        if self.schedule.events == "words":
            full = n - n % mask_words.LANES
            mask_words.list_blocks(self, events, full, active)
            for at, lanes in self._rest(full, n):
                self._append_block(events, active, at, lanes)
            return
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
        if events.pending is not None:
            mask_words.collect(self, events, active(0, lanes), at)
            return
        if self.schedule.events in PACKED and lanes >= NARROWEST:
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

    def complete(self, events: Events, n: int) -> None:
        """Makes a late list of n elements."""
        self.clear(events)
        mask_words.list_plane(self, events, n)

    def append_always(self, events: Events, i: Any) -> None:
        """Appends i."""
        self._put(events, i)
        self.store(events.count, 0, 1, events.count[0] + 1)

    def _put(self, events: Events, i: Any) -> None:
        value = tir.cast(_number(events.first + i), str(events.index.dtype))
        self.store(events.index, events.count[0], 1, value)

    def _append_placed(self, events: Events, active: Any, at: Any, lanes: int) -> None:
        """The mask of a block picks the places of its active elements from a table."""
        bits = self.bind("bits", self._mask_bits(active, lanes))
        element = str(events.index.dtype)
        places = self.cast(self.load(self.places, bits * PLACES, PLACES), element, PLACES)
        first = self.splat(tir.cast(_number(events.first + at), element), PLACES)
        self.store(events.index, events.count[0], PLACES, places + first)
        self.store(events.count, 0, 1, events.count[0] + self._set_bits(bits))
        self._mark(events, bits, at, lanes)

    def _set_bits(self, bits: Any) -> Any:
        """Number of bits of a mask."""
        if self.schedule.events == "movemask":
            return tir.popcount(bits)
        return tir.cast(self.load(self.places, bits + (PLACES << PLACES), 1), "int32")

    def _mark(self, events: Events, bits: Any, at: Any, lanes: int) -> None:
        """Writes the mask of a block of 8 or 16 to the plane, if there is one."""
        if events.plane is None:
            return
        value = tir.cast(bits, f"uint{lanes}")
        if lanes == 16:
            value = tir.reinterpret("uint8x2", value)
        self.store(events.plane, tir.shift_right(_number(at), 3), lanes // 8, value)

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
        if self.schedule.events == "multiply":
            return self._sum_of_bytes(chosen, lanes)
        total = tir.call_llvm_pure_intrin("uint8", f"llvm.vector.reduce.add.v{lanes}i8", chosen)
        return tir.cast(total, "int32")

    def _sum_of_bytes(self, values: Any, lanes: int) -> Any:
        """The sum of 4 or 8 bytes, which a byte holds: the upper byte of a product of 32 bits."""
        words = lanes // 4
        kind = "uint32" if words == 1 else f"uint32x{words}"
        own = self.register(words, tir.reinterpret(kind, values), "uint32")
        four = own[0] if words == 1 else own[0] + own[1]
        return tir.cast(tir.shift_right(four * tir.uint32(0x01010101), tir.uint32(24)), "int32")

    def _append_packed(self, events: Events, active: Any, at: Any, lanes: int) -> None:
        element = str(events.index.dtype)
        kind, wide = f"v{lanes}i{element[4:]}", f"{element}x{lanes}"
        first = _number(events.first + at)
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
        if events.plane is not None:
            self._mark(events, mask_words.mask_of(self, active), at, lanes)
