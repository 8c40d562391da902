"""A conv recurrence computed from the bits of a plane, without a list of the arriving spikes.

    I[i] = sum_m sum_k kernel[m, k] * g[m, i + k - pad]

The plane of arriving spikes is shifted once per tap, in words; then each block of lanes adds a tap
where its bit is set. The cost follows K and N, not the spikes: for cores with vectors, where
appending to a list and scattering from it wait for memory.
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
    """bits: (taps, words) planes, the k-th shifted by k - pad; head after head."""

    bits: Any
    taps: int
    words: int

    def current(self, e: Emitter, tap: Tap) -> LazyBuffer:
        """The recurrent current, computed where it is read."""

        def read(start: Any, at: Any, lanes: int) -> Any:
            first = e.T.shift_right(start, 5) + at // WORD
            hits = self._hits(e, first, at % WORD, lanes)
            total = None
            for k, hit in enumerate(hits):
                value = tap(k, start + at, lanes)
                kind = str(value.ty.dtype).split("x")[0]
                added = e.T.Select(hit, value, e.zero(kind, lanes))
                total = added if total is None else total + added
            return total

        return e.lazy(read)

    def _hits(self, e: Emitter, word: Any, bit: int, lanes: int) -> list[Any]:
        """For each tap, where bits bit .. bit + lanes of a word are set."""
        T = e.T
        places = T.uint32(bit) if lanes == 1 else T.cast(T.ramp(bit, 1, lanes), f"uint32x{lanes}")
        select = T.shift_left(e.splat(T.uint32(1), lanes), places)
        none = e.splat(T.uint32(0), lanes)
        return [
            T.bitwise_and(e.splat(self.bits[k * self.words + word], lanes), select) != none
            for k in range(self.taps)
        ]


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
    return ShiftedPlanes(bits, heads * taps, width)


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
