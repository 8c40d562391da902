"""The two delay lines that recurrences read, and the spikes that arrive at a step.

    axonal    g[h, j](t) = S[j](t - first - delay[h, j])     head h, a calendar ring each
    history   g[h, j](t) = S[j](t - first - lag[h])          one ring for all lags

`first` is 0 on an edge along the order of the populations, whose spikes of this step are pushed
before they are read, and 1 on one that closes a cycle, whose spikes are pushed after it. Synapses name
their line; composers give it the memory, and push each step's spikes. `value_line` has lines of values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.ops import delay_line

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events
    from delrec_compile.compiler.tir.gpu import GpuEmitter, SharedEvents
    from delrec_compile.ops.plane_taps import ShiftedPlanes

READ = "delay"  # table of an axonal line


@dataclass(frozen=True, eq=False)
class Arrivals:
    """Spikes that arrive at this step. read(head): emits their list, valid until the next read.

    count(head, j): value of an event of the list, in the type of the sums; None: each is 1.
    """

    heads: int
    read: Callable[[Any], Events]
    count: Callable[[Any, Any], Any] | None = None

    @staticmethod
    def of(
        heads: int,
        read: Callable[[Any], Events],
        count: Callable[[Any, Any], Any] | None = None,
    ) -> Arrivals:
        """A single list is read at once, while the processor has little else in its registers."""
        if heads > 1:
            return Arrivals(heads, read, count)
        events = read(0)
        return Arrivals(1, lambda head: events, count)


@dataclass(frozen=True, eq=False)
class Axonal:
    """delay: (heads, N). taps: width of the kernels over the arriving spikes, or 0 without kernels."""

    delay: NDArray[np.int32]
    taps: int = 0

    @property
    def size(self) -> int:
        return int(self.delay.shape[1])

    @property
    def heads(self) -> int:
        return len(self.delay)

    @property
    def depth(self) -> int:
        return int(self.delay.max()) + 1

    def words(self) -> int:
        """32-bit words of its memory."""
        return self.heads * delay_line.planes(self.depth) * delay_line.words(self.size)

    def gpu_words(self) -> int:
        return self.heads * delay_line.columns(self.depth, self.size)

    def tables(self) -> dict[str, NDArray[Any]]:
        """The delays, in the smallest type."""
        return {READ: self.delay.astype(np.uint8 if self.depth <= 256 else np.uint16)}

    def arrivals(
        self, e: Emitter, ring: Any, clock: Any, first: int = 1
    ) -> Arrivals | ShiftedPlanes:
        """Shifted planes where the schedule has kernels read them so."""
        if self.taps and e.schedule.taps == "planes":
            from delrec_compile.ops import plane_taps

            return plane_taps.emit_read(
                e, ring, clock, self.depth, self.taps, self.size, self.heads
            )
        events, shape = e.events(self.size), (self.depth, self.size)

        def read(head: Any) -> Events:
            delay_line.emit_read(e, events, ring, clock, *shape, head)
            return events

        return Arrivals.of(self.heads, read)

    def push(
        self,
        e: Emitter,
        spikes: Events,
        ring: Any,
        clock: Any,
        buffers: Callable[[str], Any],
        first: int = 1,
    ) -> None:
        delay_line.emit_push(
            e, spikes, buffers(READ), ring, clock, self.depth, self.size, self.heads, first
        )


@dataclass(frozen=True)
class History:
    """lags: lag of each head, in steps after the first. size: neurons."""

    lags: tuple[int, ...]
    size: int

    @property
    def heads(self) -> int:
        return len(self.lags)

    @property
    def depth(self) -> int:
        return max(self.lags) + 1

    def words(self) -> int:
        """32-bit words of its memory."""
        return delay_line.planes(self.depth) * delay_line.words(self.size)

    def gpu_words(self) -> int:
        return self.words()

    def tables(self) -> dict[str, NDArray[Any]]:
        return {}

    def arrivals(self, e: Emitter, ring: Any, clock: Any, first: int = 1) -> Arrivals:
        events, shape = e.events(self.size), (self.depth, self.size)

        def read(head: Any) -> Events:
            lag = self.lags[head] if isinstance(head, int) else head
            delay_line.emit_read_history(e, events, ring, clock, *shape, lag, first)
            return events

        return Arrivals.of(self.heads, read)

    def push(
        self,
        e: Emitter,
        spikes: Events,
        ring: Any,
        clock: Any,
        buffers: Callable[[str], Any],
        first: int = 1,
    ) -> None:
        delay_line.emit_write_history(e, spikes, ring, clock, self.depth, self.size)


Line = Axonal | History


@dataclass(frozen=True, eq=False)
class GpuArrivals:
    """heads: arriving spikes of each head of an axonal line. masks: (heads * words,) of a history.

    values(head, j): value of neuron j that arrives, float32, whatever the line; None: spikes.
    """

    heads: tuple[SharedEvents, ...] = ()
    masks: Any = None
    values: Callable[[Any, Any], Any] | None = None


def gpu_arrivals(e: GpuEmitter, line: Line, name: str) -> GpuArrivals:
    """Shared memory for the arriving spikes."""
    if isinstance(line, Axonal):
        rooms = range(line.heads)
        named = (f"{name}{h}" if h else name for h in rooms)
        return GpuArrivals(
            tuple(
                e.shared_events(each, line.size, line.taps // 2, listed=not line.taps)
                for each in named
            )
        )
    words = line.heads * delay_line.words(line.size)
    return GpuArrivals(masks=e.shared(f"{name}_masks", words, "uint32"))


def gpu_read(
    e: GpuEmitter, line: Line, to: GpuArrivals, ring: Any, clock: Any, first: int = 1
) -> None:
    """Flags, or masks, of the spikes that arrive at this step."""
    if isinstance(line, Axonal):
        for head, marked in enumerate(to.heads):
            delay_line.emit_gpu_read(e, marked, ring, clock, line.depth, line.size, head)
        return
    delay_line.emit_gpu_read_history(
        e, to.masks, ring, clock, line.lags, line.depth, line.size, first
    )


def gpu_push(
    e: GpuEmitter,
    line: Line,
    spikes: SharedEvents,
    ring: Any,
    clock: Any,
    buffers: Callable[[str], Any],
    first: int = 1,
) -> None:
    """Writes the spikes of this step to the line, after the block has voted on them."""
    if isinstance(line, Axonal):
        delay_line.emit_gpu_push(
            e, spikes, buffers(READ), ring, clock, line.depth, line.size, line.heads, first
        )
        return
    delay_line.emit_gpu_write_history(e, spikes, ring, clock, line.depth, line.size)
