"""Lists of what changed in a population from a step to the next, of the steps of a chunk.

A sum of the rows of active neurons is also the sum of the step before, with the rows of those that are
new and without the rows of those that are gone; and the sum of all rows without those of silent neurons.
Whole numbers have the same sum whichever way, and the shortest list is taken.
"""

from __future__ import annotations

from typing import Any

from tvm.tirx.script import builder as tir

from delrec_compile.compiler.tir import mask_words
from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.compiler.tir.event_lists import Events, index_type


class ChangeLists:
    """Lists of `many` steps of a population of n neurons, whole words of a mask.

    totals: whether there is a sum of all rows. since[k]: the sum that the rows of step k belong to: 0,
    none; k, that of the step before; many + 1, that of all rows.
    """

    def __init__(self, e: Emitter, n: int, many: int, totals: bool = False) -> None:
        self.e, self.n, self.room = e, n, n + mask_words.SIZE
        self.total = many + 1 if totals else None
        self.index = e.buffer("changes", many * self.room, index_type(n))
        self.new_count, self.gone_count, self.since = (
            e.buffer(name, many, "int32") for name in ("new", "gone", "since")
        )

    def new(self, k: Any) -> Events:
        """The events of step k whose rows are added."""
        return Events(self._from(k, 0), self.e.view(self.new_count, k, 1))

    def gone(self, k: Any) -> Events:
        """Those whose rows are taken off."""
        first = self.e.bind("first", self.new_count[k])
        return Events(self._from(k, first), self.e.view(self.gone_count, k, 1))

    def _from(self, k: Any, first: Any) -> Any:
        return self.e.view(self.index, k * self.room + first, self.room)

    def list(self, k: Any, now: Any, before: Any) -> None:
        """Lists the changes of step k. now: its plane. before: that of the step before, if k > 0."""
        e, size = self.e, self.n // mask_words.SIZE
        kept, whole = self._choose(k, now, before)
        index = self._from(k, 0)
        events = Events(index, e.counter("count"))
        e.clear(events)
        for sign, total in ((1, self.new_count), (-1, self.gone_count)):
            for w in mask_words.each(e, size):
                own = mask_words.word(e, now, w)
                old = tir.bitwise_and(mask_words.word(e, before, w), kept)
                old = old if whole is None else tir.bitwise_or(old, whole)
                one, other = (own, old) if sign > 0 else (old, own)
                bits = tir.bitwise_and(one, tir.bitwise_not(other))
                mask_words.append(e, events, bits, w * mask_words.SIZE)
            less = 0 if sign > 0 else self.new_count[k]
            e.store(total, k, 1, events.count[0] - less)

    def _choose(self, k: Any, now: Any, before: Any) -> tuple[Any, Any]:
        """Masks of the neurons of the step before, and of all, that the sum of step k begins with."""
        e = self.e
        active, changed = (e.counter(name) for name in ("active", "changed"))
        for count in (active, changed):
            e.store(count, 0, 1, tir.int32(0))
        for w in mask_words.each(e, self.n // mask_words.SIZE):
            own, old = mask_words.word(e, now, w), mask_words.word(e, before, w)
            _count(e, active, own)
            _count(e, changed, tir.bitwise_xor(own, old))
        follows = tir.And(k > 0, changed[0] < active[0])
        if self.total is None:
            follows = e.bind("follows", follows)
            e.store(self.since, k, 1, tir.Select(follows, k, 0))
            return e.bind("kept", _mask(follows)), None
        silent = e.bind("silent", self.n - active[0])
        follows = e.bind("follows", tir.And(follows, changed[0] <= silent))
        inverts = tir.And(tir.Not(follows), silent < active[0])
        inverts = e.bind("inverts", inverts)
        e.store(self.since, k, 1, tir.Select(follows, k, tir.Select(inverts, self.total, 0)))
        return e.bind("kept", _mask(follows)), e.bind("whole", _mask(inverts))


def _count(e: Emitter, to: Any, word: Any) -> None:
    e.store(to, 0, 1, to[0] + tir.cast(tir.popcount(word), "int32"))


def _mask(condition: Any) -> Any:
    """All bits of a word, or none."""
    return tir.reinterpret("uint64", tir.Select(condition, tir.int64(-1), tir.int64(0)))
