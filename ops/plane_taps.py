"""A conv recurrence computed from the bits of a plane, without a list of the arriving spikes.

    I[i] = sum_m sum_k kernel[m, k] * g[m, i + k - pad]

The plane of arriving spikes is shifted once per tap, in words; then each block of lanes adds a tap
where its bit is set. The cost follows K and N, not the spikes: for cores with vectors, where
appending to a list and scattering from it wait for memory. Where all neurons share one kernel of a few
taps, the bits of a neuron's taps are looked up in a register that has the sum of each pattern.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from delrec_compile.ops.delay_line import WORD, planes, words

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter, LazyBuffer

# the tap k of the neurons from `first` on: (k, first, lanes)
Tap = Callable[[int, Any, int], Any]


@dataclass(frozen=True)
class ShiftedPlanes:
    """bits: (taps, words) planes, the k-th shifted by k - pad; head after head, of `heads`."""

    bits: Any
    taps: int
    words: int
    heads: int = 1

    def current(self, e: Emitter, tap: Tap) -> LazyBuffer:
        """The recurrent current, computed where it is read."""
        return e.lazy(lambda start, at, lanes: self._sum(e, tap, start, at, lanes))

    def shared(self, e: Emitter, kernel: Any) -> LazyBuffer:
        """As `current`, of a kernel that all neurons have, (heads * taps,)."""
        lanes = e.schedule.lanes

        def tap(k: int, _: Any, width: int) -> Any:
            return e.splat(kernel[k], width)

        few = self.heads == 1 and 1 << self.taps <= lanes
        if not (few and e.looks_up and str(kernel.dtype) == "int32"):
            return self.current(e, tap)
        table = self._table(e, tap)

        def read(start: Any, at: Any, width: int) -> Any:
            if width < lanes:
                return self._sum(e, tap, start, at, width)
            return self._look_up(e, table, start, at)

        return e.lazy(read)

    def _table(self, e: Emitter, tap: Tap) -> Any:
        """A register with the sum of the taps of each pattern, again and again."""
        T, lanes = e.T, e.schedule.lanes
        zero = e.zero("int32", lanes)
        table = e.register(lanes, zero, "int32")
        for k in range(self.taps):
            bit = T.bitwise_and(T.ramp(0, 1, lanes), e.splat(T.int32(1 << k), lanes))
            own = T.Select(bit != zero, tap(k, 0, lanes), zero)
            e.store(table, 0, lanes, e.load(table, 0, lanes) + own)
        return table

    def _look_up(self, e: Emitter, table: Any, start: Any, at: Any) -> Any:
        """A block, whose taps lie in one word: of the first plane, or of the last one."""
        T, lanes, last = e.T, e.schedule.lanes, self.taps - 1
        word, bit = T.shift_right(start, 5) + at // WORD, at % WORD
        if bit + lanes + last > WORD:
            word, bit = word + last * self.words, bit - last
        places = e.cast(T.ramp(bit, 1, lanes), "uint32", lanes)
        pattern = T.shift_right(e.splat(self.bits[word], lanes), places)
        return e.looked_up(e.load(table, 0, lanes), e.cast(pattern, "int32", lanes))

    def _sum(self, e: Emitter, tap: Tap, start: Any, at: Any, lanes: int) -> Any:
        first, total = e.T.shift_right(start, 5) + at // WORD, None
        for k in range(self.taps):
            value = tap(k, start + at, lanes)
            kind = str(value.ty.dtype).split("x")[0]
            hit = self._hit(e, k, first, at % WORD, lanes, 16 if kind == "int16" else WORD)
            added = e.T.Select(hit, value, e.zero(kind, lanes))
            added = e.cast(added, "int32", lanes) if kind == "int16" else added
            total = added if total is None else total + added
        return total

    def _hit(self, e: Emitter, k: int, word: Any, bit: int, lanes: int, size: int) -> Any:
        """Where bits bit .. bit + lanes of a word are set, of tap k. size: bits of each lane."""
        T, kind = e.T, f"uint{size}"
        own = self.bits[k * self.words + word]
        if size < WORD:
            own = T.cast(T.shift_right(own, T.uint32(bit // size * size)), kind)
        places = T.int32(bit % size) if lanes == 1 else T.ramp(bit % size, 1, lanes)
        one, none = (e.splat(T.cast(T.int32(v), kind), lanes) for v in (1, 0))
        select = T.shift_left(one, e.cast(places, kind, lanes))
        return T.bitwise_and(e.splat(own, lanes), select) != none


def emit_read(
    e: Emitter, ring: Any, clock: Any, depth: int, taps: int, n: int, heads: int = 1
) -> ShiftedPlanes:
    """Takes the planes of this step out of the ring, one per head."""
    width = words(n)
    bits = e.buffer("shifted", heads * taps * width, "uint32")
    for head in range(heads):
        plane = e.T.bitwise_and(clock, planes(depth) - 1)
        if head:
            plane = plane + head * planes(depth)
        base = e.bind("plane", plane * width)
        emit(e, ring, base, taps, n, bits, head * taps)
        with e.loop("w", width) as w:
            e.store(ring, base + w, 1, e.T.uint32(0))
    return ShiftedPlanes(bits, heads * taps, width, heads)


def emit_shifted(e: Emitter, plane: Any, taps: int, n: int) -> ShiftedPlanes:
    """The planes of one head, from the plane of what arrives."""
    width = words(n)
    bits = e.buffer("shifted", taps * width, "uint32")
    emit(e, plane, 0, taps, n, bits, 0)
    return ShiftedPlanes(bits, taps, width)


def emit(e: Emitter, ring: Any, base: Any, taps: int, n: int, bits: Any, first: int) -> None:
    """Shifts the plane of n bits that begins at word `base` of the ring, for each tap.

    The shifted planes go to `bits`, from its plane `first` on.
    """
    T = e.T
    width, pad = words(n), taps // 2
    margin = (pad + WORD - 1) // WORD
    plane = e.buffer("plane_bits", width + 2 * margin, "uint32")
    for q in range(margin):
        e.store(plane, q, 1, T.uint32(0))
        e.store(plane, margin + width + q, 1, T.uint32(0))
    with e.loop("w", width) as w:
        e.store(plane, margin + w, 1, ring[base + w])
    if n % WORD:
        last = margin + width - 1
        e.store(plane, last, 1, T.bitwise_and(plane[last], T.uint32((1 << n % WORD) - 1)))
    for k in range(taps):
        words_off, rest = divmod(k - pad, WORD)
        with e.loop("w", width) as w:
            word = plane[w + margin + words_off]
            if rest:
                above = plane[w + margin + words_off + 1]
                word = T.bitwise_or(
                    T.shift_right(word, T.uint32(rest)),
                    T.shift_left(above, T.uint32(WORD - rest)),
                )
            e.store(bits, (first + k) * width + w, 1, word)
