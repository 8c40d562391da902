"""Ring of the currents that are still to come: spikes are pushed, where a history has them pulled.

    ring[t + first + delay[i, j], i] += weight[i, j]     for each spike j of step t
    I[i](t) = ring[t, i]                                 which step t then clears

Each synapse is added once per spike, from a row of weights and of places that lie in order; a step
reads one row, whatever the delays. Sums are exact on the grid, so their order changes no bit. The
places of a spike's synapses differ, so several sums are read before one is written.

The ring is a line of a power of two of elements, rows of `stride` one after another around it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events

LARGEST = 1 << 20  # elements of a ring; larger ones lie far from the processor
TOGETHER = 4  # sums that are read before they are written


@dataclass(frozen=True)
class CurrentRing:
    """size: neurons that receive. sources: that send. depth: steps between the first arrival of a spike
    and its last, + 1. lanes: of the schedule. dtype: of sums.
    """

    size: int
    sources: int
    depth: int
    lanes: int
    dtype: str

    @property
    def stride(self) -> int:
        """Elements from one row to the next: whole vectors, so that none reaches over the end."""
        return -(-self.size // self.lanes) * self.lanes

    @property
    def elements(self) -> int:
        """Elements of the ring of a stream. A step clears its row before the last one is pushed."""
        return 1 << max(self.depth * self.stride - 1, self.lanes - 1).bit_length()

    def places(self, delay: NDArray[np.int32]) -> NDArray[Any]:
        """delay: (size, sources). Returns (sources, size): places after the first row of a spike."""
        at = delay.T.astype(np.int64) * self.stride + np.arange(self.size)
        return at.astype(np.uint16 if self.depth * self.stride <= 1 << 16 else np.int32)

    def _row(self, e: Emitter, clock: Any) -> Any:
        """Start of the row of a step."""
        T = e.T
        start = T.cast(clock, "int64") * T.int64(self.stride)
        return T.cast(T.bitwise_and(start, T.int64(self.elements - 1)), "int32")

    def _around(self, e: Emitter, at: Any) -> Any:
        return e.T.bitwise_and(at, self.elements - 1)

    def push(
        self,
        e: Emitter,
        spikes: Events,
        ring: Any,
        clock: Any,
        buffers: Callable[[str], Any],
        first: int = 1,
        count: Callable[[Any], Any] | None = None,
    ) -> None:
        """Adds the synapses of the spikes of this step. count: value of an event; None: each is 1."""
        weight, place = buffers("recurrent"), buffers("place")
        row = e.bind("row", self._row(e, clock + first if first else clock))
        with e.each(spikes) as j:
            own = None if count is None else e.bind("own", count(j))
            for base, size in e.runs(self.size, TOGETHER):
                values = e.view(weight, j * self.size + base, size)
                places = e.view(place, j * self.size + base, size)
                sums = []
                for k in range(size):
                    at = e.bind(
                        "at", self._around(e, row + e.T.cast(e.load(places, k, 1), "int32"))
                    )
                    value = e.T.cast(e.load(values, k, 1), self.dtype)
                    sums.append((at, e.bind("sum", self._sum(e, ring[at], value, own))))
                for at, total in sums:
                    e.store(ring, at, 1, total)

    def _sum(self, e: Emitter, total: Any, value: Any, count: Any) -> Any:
        if self.dtype == "float32":
            return total + (value if count is None else e.rounded(value * count, 1))
        # a state from elsewhere may hold any number
        return e.wrapping(total, value if count is None else value * count, 1)

    def arrivals(self, e: Emitter, ring: Any, clock: Any, first: int = 1) -> Any:
        """The current of this step; its row is cleared."""
        current = e.buffer("current", self.size, self.dtype)
        row = e.bind("row", self._row(e, clock))
        for at, lanes in e.blocks(self.size):
            here = e.bind("here", self._around(e, row + at))
            e.store(current, at, lanes, e.load(ring, here, lanes))
            e.store(ring, here, lanes, e.zero(self.dtype, lanes))
        return e.view(current, 0, self.size)
