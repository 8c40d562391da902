"""Delay line of values: inputs with counts, or real ones, `first + delay` steps ago.

    g[h, j](t) = x[j](t - delay[h, j])      axonal line, head h
    g[h, j](t) = x[j](t - lag[h])           history line

Inside an artifact it is a ring of rows: step t writes the row of its values to place t, and reads as
far back as its delays say. The values of a row are bytes, or units of real inputs (`real_input`) as
int16. Bits do not hold counts, so the ring of `delay_line` does not serve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from delrec_compile.ops.arrivals import READ, Arrivals, Axonal, Line
from delrec_compile.ops.delay_line import planes

if TYPE_CHECKING:
    from collections.abc import Callable

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events
    from delrec_compile.compiler.tir.gpu import GpuEmitter

DTYPE = "uint8"  # of the values of a ring: counts up to 255


def elements(line: Line) -> int:
    """Values of the ring of a stream: full words, so that a C struct of it has no padding."""
    return -(-_rows(line) * line.size // 4) * 4


def _rows(line: Line) -> int:
    """Rows of the ring: one more than are read, as a GPU's fast thread may be at the next step."""
    return planes(line.depth + 1)


@dataclass(frozen=True, eq=False)
class ValueRing:
    """The memory of a line of values in compiled code. ring: (elements,). clock: of this step.

    delay: table of an axonal line; None of a history.
    """

    line: Line
    ring: Any
    clock: Any
    delay: Any = None

    @staticmethod
    def of(line: Line, clock: Any, buffers: Callable[[str], Any]) -> ValueRing:
        """buffers: a table or state variable of the projection, by name."""
        delay = buffers(READ) if isinstance(line, Axonal) else None
        return ValueRing(line, buffers("ring"), clock, delay)

    @property
    def dtype(self) -> str:
        """dtype of its values."""
        return str(self.ring.dtype)

    def place(self, e: Emitter, lag: Any) -> Any:
        """Start of the row of `lag` steps ago."""
        return e.T.bitwise_and(self.clock - lag, _rows(self.line) - 1) * self.line.size

    def write(self, e: Emitter, value: Callable[[Any, int], Any]) -> None:
        """Writes this step's row. value(at, lanes): its values from `at` on."""
        row = e.bind("row", self.place(e, 0))
        for at, lanes in e.blocks(self.line.size):
            e.store(self.ring, row + at, lanes, e.cast(value(at, lanes), self.dtype, lanes))

    def arrivals(self, e: Emitter, count: Callable[[Any], Any]) -> Arrivals:
        """The values that arrive. count: a value of the ring in the type of the sums."""
        n, line = self.line.size, self.line
        events = e.events(n)
        if not isinstance(line, Axonal):
            return self._history(e, events, count)
        row = e.buffer("delayed", n * line.heads, self.dtype)

        def read(head: Any) -> Events:
            with e.loop("j", n) as j:
                lag = e.bind("lag", e.T.cast(self.delay[head * n + j], "int32"))
                e.store(row, head * n + j, 1, self.ring[self.place(e, lag) + j])
            _list(e, events, row, head * n, n)
            return events

        return Arrivals.of(line.heads, read, lambda head, j: count(row[head * n + j]))

    def _history(self, e: Emitter, events: Events, count: Callable[[Any], Any]) -> Arrivals:
        n, line = self.line.size, self.line
        assert not isinstance(line, Axonal)

        def start(head: Any) -> Any:
            return self.place(e, line.lags[head] if isinstance(head, int) else head)

        def read(head: Any) -> Events:
            _list(e, events, self.ring, e.bind("past_row", start(head)), n)
            return events

        return Arrivals.of(line.heads, read, lambda head, j: count(self.ring[start(head) + j]))

    def gpu_values(self, e: GpuEmitter) -> Callable[[Any, Any], Any]:
        """The value of neuron j that arrives at a head, float32."""
        T, line = e.T, self.line

        def value(head: Any, j: Any) -> Any:
            if isinstance(line, Axonal):
                lag = T.cast(e.load(self.delay, head * line.size + j, 1), "int32")
            else:
                lag = line.lags[head] if isinstance(head, int) else head
            return T.cast(e.load(self.ring, self.place(e, lag) + j, 1), "float32")

        return value


def _list(e: Emitter, events: Events, row: Any, start: Any, n: int) -> None:
    """Lists the values of a row that are not zero."""

    def active(at: Any, lanes: int) -> Any:
        return e.load(row, start + at, lanes) != e.zero(str(row.dtype), lanes)

    e.list_active(events, n, active)
