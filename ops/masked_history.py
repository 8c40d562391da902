"""An axonal delay line as history: a plane of bits for each of the last steps, and masks of delays.

    g[j](t) = OR_k S[j](t - first - k) AND (delay[j] = k)

Step t writes its spikes to plane t as the blocks of neurons fire, not spike by spike; a step ANDs
each plane with the mask of the neurons that have its delay, and ORs them. The cost follows the longest
delay, not the spikes: for devices with wide vectors, and delays that are not long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.ops import delay_line
from delrec_compile.ops.arrivals import READ, Arrivals, Axonal

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events
    from delrec_compile.ops.plane_taps import ShiftedPlanes

DTYPE = "uint8"
UNROLLED = 32  # vectors
PIECE = 4  # bytes of a plane that lists by words write at once


@dataclass(frozen=True, eq=False)
class MaskedHistory(Axonal):
    """One head. size: a multiple of 32."""

    @property
    def width(self) -> int:
        """Bytes of a plane."""
        return self.size // 8

    @property
    def planes(self) -> int:
        """A power of two. A step reads its planes before it writes its own over the oldest one."""
        return delay_line.planes(self.depth)

    @property
    def elements(self) -> int:
        """Bytes of its memory."""
        return self.planes * self.width

    def tables(self) -> dict[str, NDArray[Any]]:
        """Masks (2 * planes, bytes): that of delay -q in row q, round the ring, from any row on."""
        own = -np.arange(2 * self.planes) % self.planes
        return {READ: np.packbits(self.delay[0] == own[:, None], axis=1, bitorder="little")}

    def arrivals(
        self, e: Emitter, ring: Any, clock: Any, first: int = 1, masks: Any = None
    ) -> Arrivals | ShiftedPlanes:
        """Shifted planes where the schedule has kernels read them so. masks: the table."""
        plane = self._pull(e, ring, clock, first, masks)
        if self.taps and e.schedule.taps == "planes":
            from delrec_compile.ops import plane_taps

            return plane_taps.emit_shifted(e, plane, self.taps, self.size)
        events = e.events(self.size)
        delay_line.emit_list(e, events, plane, 0, self.size)
        return Arrivals(1, lambda head: events)

    def push(
        self,
        e: Emitter,
        spikes: Events,
        ring: Any,
        clock: Any,
        buffers: Callable[[str], Any],
        first: int = 1,
    ) -> None:
        """Writes the plane that came with the list of spikes, in pieces that it was made of."""
        base = e.bind("plane", e.T.bitwise_and(clock, self.planes - 1) * self.width)
        size = vector(self.width, self.width, e.schedule.lanes)
        if spikes.pending is not None and not spikes.late:
            size = PIECE
        for at in range(0, self.width, size):
            e.store(ring, base + at, size, e.load(spikes.plane, at, size))

    def _pull(self, e: Emitter, ring: Any, clock: Any, first: int, masks: Any) -> Any:
        """The plane of what arrives, in 32-bit words."""
        T, width = e.T, self.width
        start = e.bind("first", T.bitwise_and(first - clock, self.planes - 1) * width)
        size = vector(width, self.elements, e.schedule.lanes)
        step = max(size, width)  # from a vector to the next with the same neurons
        out = e.buffer("arrived", width // 4, "uint32")
        for part in range(0, min(width, step), size):
            acc = e.register(size, e.zero(DTYPE, size), DTYPE)

            def take(at: Any, acc: Any = acc) -> None:
                hits = T.bitwise_and(e.load(ring, at, size), e.load(masks, start + at, size))
                e.store(acc, 0, size, T.bitwise_or(e.load(acc, 0, size), hits))

            count = self.elements // step
            if count <= UNROLLED:
                for k in range(count):
                    take(part + k * step)
            else:
                with e.loop("k", count) as k:
                    take(k * step + part)
            self._fold(e, acc, size, out, part // 4)
        return out

    def _fold(self, e: Emitter, acc: Any, size: int, out: Any, at: int) -> None:
        """ORs the planes that lie in one vector; writes them to out, from word `at` on."""
        while size > self.width:
            size //= 2
            halves = e.load(acc, 0, size), e.load(acc, size, size)
            acc = e.register(size, e.T.bitwise_or(*halves), DTYPE)
        words = size // 4
        kind = "uint32" if words == 1 else f"uint32x{words}"
        e.store(out, at, words, e.T.reinterpret(kind, e.load(acc, 0, size)))


def vector(width: int, most: int, lanes: int) -> int:
    """Bytes of the vectors that planes of so many bytes are read in, of memory of `most`; 0: of none."""
    size = min(4 * lanes, most)
    return size if width % size == 0 or size % width == 0 else 0
