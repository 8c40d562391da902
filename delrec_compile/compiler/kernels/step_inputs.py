"""What comes into a population at one time step of a kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from delrec_compile.ops.counted_rows import Parts

T = TypeVar("T")


@dataclass(frozen=True)
class Incoming:
    """Input of a layer or of the readout. count: int32 count of an event; None: each counts 1.

    group: inputs per event, their counts packed into one int32. packed: buffer of packed counts. rows:
    the events row after row, see `map_rows`; events is then None where nothing reads them as neurons.
    parts: the events in parts, see `counted_rows`. gone, since: of what changed since the step before,
    see `changes`.
    """

    events: Any
    count: Callable[[Any], Any] | None = None
    group: int = 1
    packed: Any = None
    rows: Any = None
    parts: Parts | None = None
    gone: Any = None
    since: Any = None


@dataclass(frozen=True)
class StepInputs:
    """Inputs of a population at one time step, and the list that its spikes are appended to.

    of_edges: for each projection Incoming where it has no delay, else Arrivals, ShiftedPlanes or,
    of a ring of currents, what arrives.
    spikes: None of a readout. feed: sums of the rows of undelayed projections, where they were made
    before; None: they are made from `of_edges`. whole: whether it has their convolutions too.
    """

    of_edges: Sequence[Any]
    spikes: Any = None
    feed: Any = None
    whole: bool = False

    @property
    def changes(self) -> list[Incoming]:
        """What comes in as changes since the step before."""
        own = [each for each in self.of_edges if isinstance(each, Incoming)]
        return [each for each in own if each.since is not None]


def always(value: T) -> Callable[[Any], T]:
    """The same at every step."""
    return lambda _: value
