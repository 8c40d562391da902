"""The inputs of a kernel's steps: as lists of those that are not zero, with their counts."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any

import numpy as np
from tvm.tirx.script import builder as tir

from delrec_compile.compiler.kernels import map_places, map_rows
from delrec_compile.compiler.kernels.nodes import Node, Places
from delrec_compile.compiler.kernels.real_inputs import (
    RealForm,
    list_values,
    listed_values,
    takes_input,
)
from delrec_compile.compiler.kernels.step_inputs import Incoming, always
from delrec_compile.compiler.tir import mask_words
from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.ops import counted_rows, delay_line
from delrec_compile.ops.counted_rows import DTYPE, Parts

FOUR = 4  # bytes of a word
SIXTEEN = 16  # of a vector
LINE = 64  # bytes of a cache line


class InputLists(ABC):
    """The part of a composer that reads x.

    counts: dtype of x. group: inputs interleaved in the rows of what the input feeds. real: how real
    inputs are taken; None: they are counts. counts_of_parts: largest count, and what those of a part may
    add up to, where rows of the input are added in 16 bits part by part; None: they are not.
    """

    e: Emitter
    x: Any
    nodes: tuple[Node, ...]
    counts: str
    group: int
    real: RealForm | None
    counts_of_parts: tuple[int, int] | None = None

    @property
    def inputs(self) -> int:
        """Values of x of a step."""
        return next(e.sources for node in self.nodes for e in node.edges if e.of_input)

    @property
    def lists_inputs(self) -> bool:
        """Whether a projection from the input has no delay."""
        return any(takes_input(edge) for node in self.nodes for edge in node.edges)

    def count_of(self, x: Any, lanes: int = 1) -> Any:
        """Inputs as counts, in the type of the sums."""
        return self.e.cast(x, "int32", lanes)

    def input_value(self, x: Any, lanes: int) -> Any:
        """An input as the memory of a delay takes it."""
        if self.real is not None:
            return self.real.input.emit(self.e, x, lanes)
        return self.e.T.min(x, self.e.splat(self.e.T.cast(255, self.counts), lanes))

    def held_value(self, value: Any) -> Any:
        """A value as the memory of a delay gives it: a state from elsewhere may hold any.

        No more than an input can be, where room is made for sums of inputs.
        """
        return value

    @property
    def together(self) -> int:
        """Steps of a sequence that have one list of inputs: of what is active at any of them.

        Of inputs in pairs, whose rows have 16 bits. In fours the union of two steps is nearly all: see
        `FeedSums.crowds`.
        """
        return self.e.schedule.together if self.group == 2 else 1

    def input_lists(self, many: int | None) -> Callable[[Any, Any], Incoming]:
        """The inputs of `many` steps, or of one, as (number of the step, step of x): their lists."""
        e, n, group = self.e, self.inputs, self.group
        if self.input_places is not None:
            return self._row_lists(self.input_places, many)
        room = self._packed // group if group > 1 else n
        lists = e.lists(room, -(-many // self.together)) if many else always(e.events(room))
        counts = e.buffer("counts", (many or 1) * room, "int32") if group > 1 else None
        if counts is None and self.real is not None:
            return listed_values(self, lists, many)
        parts: Callable[[Any], Parts | None] = always(None)
        if group == 1 and (limits := self.counts_of_parts):
            parts = self._parts(many, *limits)

        def at(k: Any, t: Any) -> Incoming:
            if counts is None:
                base = t * n
                count = partial(self._count_at, base)
                return Incoming(lists(k), count, parts=parts(k))
            own: Any = e.view(counts, 0 if k is None else k * room, room)
            many_in_one = k is not None and self.together > 1
            events = lists(tir.floordiv(k, self.together) if many_in_one else k)
            return Incoming(events, lambda j: own[j], group, own)

        return at

    def _count_at(self, base: Any, j: Any) -> Any:
        return self.count_of(self.x[base + j])

    def _parts(self, many: int | None, largest: int, most: int) -> Callable[[Any], Parts]:
        """Room for the parts of `many` lists, or of one, by their number; see `counts_of_parts`."""
        e, n = self.e, self.inputs
        room, lists = Parts.room(n, largest, most), many or 1
        n *= counted_rows.width(e.schedule.lanes)
        start, own = e.buffer("start", lists * room, "int32"), e.buffer("own", lists * n, DTYPE)
        if many is None:
            return always(Parts(start, e.counter("parts"), own, most))
        number = e.buffer("parts", many, "int32")

        def of(k: Any) -> Parts:
            ends, counts = e.view(start, k * room, room), e.view(own, k * n, n)
            return Parts(ends, e.view(number, k, 1), counts, most)

        return of

    @property
    def input_places(self) -> Places | None:
        """Places of the inputs, where they are listed row after row."""
        taps = [e.taps for node in self.nodes for e in node.edges if takes_input(e)]
        return map_places.sent(taps[0].maps) if taps and taps[0] is not None else None

    def _row_lists(self, places: Places, many: int | None) -> Callable[[Any, Any], Incoming]:
        lists = map_rows.lists(self.e, places, many, flat=False)

        def at(k: Any, t: Any) -> Incoming:
            base = t * self.inputs
            return Incoming(None, lambda j: self.count_of(self.x[base + j]), rows=lists(k))

        return at

    @property
    def _packed(self) -> int:
        """Inputs, rounded up to full vectors of packed counts."""
        n = self.inputs
        wide = self.group * self.e.schedule.lanes
        return -(-n // wide) * wide

    def fetch_inputs(self, t: Any) -> None:
        """Brings the inputs of step t near, which are read later."""
        e, base = self.e, t * self.inputs
        for at in range(0, self.inputs, LINE // np.dtype(self.counts).itemsize):
            e.fetch(self.x, base + at)

    def list_inputs(self, incoming: Incoming, t: Any) -> None:
        """Lists the inputs of step t."""
        e, n, base = self.e, self.inputs, t * self.inputs

        def active(at: Any, lanes: int) -> Any:
            return e.load(self.x, base + at, lanes) > e.splat(e.zero(self.counts, 1), lanes)

        if incoming.rows is not None:
            map_rows.list_rows(e, incoming.rows, active)
            return
        if incoming.group == 1 and self.real is not None:
            list_values(self, incoming, base)
            return
        if incoming.group == 1:
            by_bytes = e.generator == "c" and e.schedule.events == "branch"
            if not by_bytes or self.counts != "uint8":
                e.list_active(incoming.events, n, active)
            elif e.schedule.bytes == "memory":
                self._list_by_sixteens(incoming.events, base)
            else:
                self._list_by_fours(incoming.events, base, active)
            if incoming.parts is not None and incoming.count is not None:
                counted_rows.split(e, incoming.events, incoming.count, incoming.parts)
            return
        self.list_together([incoming], t)

    def list_together(self, steps: Sequence[Incoming], t: Any) -> None:
        """Packs the inputs of the steps from t on, and lists what is active at any of them."""
        e = self.e
        for k, incoming in enumerate(steps):
            self._pack(incoming.packed, (t + k) * self.inputs)

        def active(at: Any, lanes: int) -> Any:
            words = [e.load(incoming.packed, at, lanes) for incoming in steps]
            return reduce(tir.bitwise_or, words) != e.zero("int32", lanes)

        # counts beyond the inputs are 0
        e.list_active(steps[0].events, self._packed // self.group, active)

    def _list_by_fours(self, events: Any, base: Any, active: Callable[[Any, int], Any]) -> None:
        """Lists the inputs, skipping four at a time of which none is active."""
        e, full = self.e, self.inputs // FOUR

        def list_one(at: Any) -> None:
            with e.when(active(at, 1)):
                e.append_always(events, at)

        e.clear(events)
        if full:
            with e.loop("four", full) as k:
                bytes_at = tir.address_of(self.x[base + k * FOUR])
                with e.when(tir.call_extern("bool", "any_of_four", bytes_at)):
                    for q in range(FOUR):
                        list_one(k * FOUR + q)
        for at in range(full * FOUR, self.inputs):
            list_one(at)

    def _list_by_sixteens(self, events: Any, base: Any) -> None:
        """Lists the inputs, by the bits of sixteen at a time."""
        e, n = self.e, self.inputs
        e.clear(events)
        with e.loop("vector", -(-n // SIXTEEN)) as k:
            at = k * SIXTEEN
            own = (tir.address_of(self.x[base + at]), tir.cast(n - at, "uint32"))
            delay_line.emit_bits(e, events, tir.call_extern("uint32", "which_active", *own), at)

    def _pack(self, counts: Any, base: Any) -> None:
        """The inputs from `base` on, `group` of them packed into each int32 of counts, in registers."""
        lanes = self.e.schedule.lanes
        wide = self.group * lanes
        full, rest = divmod(self.inputs, wide)
        for k in mask_words.each(self.e, full):
            self.e.store(counts, k * lanes, lanes, self._packed_from(base + k * wide, wide))
        if rest:
            self.e.store(counts, full * lanes, lanes, self._packed_from(base + full * wide, rest))

    def _packed_from(self, first: Any, n: int) -> Any:
        """A vector of the n inputs from `first` on, packed; 0 beyond them."""
        e, lanes = self.e, self.e.schedule.lanes
        blocks = [self._block(first + q, n - q) for q in range(0, self.group * lanes, lanes)]
        return tir.reinterpret(f"int32x{lanes}", e.joined(blocks))

    def _block(self, first: Any, n: int) -> Any:
        """A block of the n inputs from `first` on as counts of the width that they are packed in."""
        e, lanes, kind = self.e, self.e.schedule.lanes, f"int{32 // self.group}"
        if n <= 0:
            return e.zero(kind, lanes)
        if n >= lanes:
            value = e.load(self.x, first, lanes)
        elif self.inputs >= lanes:
            end = e.load(self.x, first + (n - lanes), lanes)
            value = e.joined([end, e.zero(self.counts, lanes)], lanes - n, lanes)
        else:
            parts = [e.load(self.x, first + q, width) for q, width in e.parts(n)]
            zeros = [e.zero(self.counts, width) for _, width in e.parts(lanes - n)]
            value = e.joined([*parts, *zeros])
        return e.cast(self.count_of(value, lanes), kind, lanes)
