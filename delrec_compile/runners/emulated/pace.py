"""How long the steps of an emulated network take, and how many of them fit into a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from delrec_compile.aliases import F32

LEAST_S = 1e-6


@dataclass(frozen=True)
class Pace:
    """Seconds of one step. plain: through every kernel; counting: what counting it takes besides."""

    plain: float
    counting: float = 0.0

    def plan(self, steps: int, seconds: float, least: int = 1) -> tuple[int, int]:
        """Steps of at most `steps` that last about `seconds`, and which of them are counted.

        The second is `every`: one step of so many is counted. Counting takes at most half of the time.
        least: steps, however long they last.
        """
        both = self.plain + self.counting
        if steps * both <= seconds:
            return steps, 1
        fitting = min(steps, max(least, int(seconds / min(both, 2 * self.plain))))
        plain = fitting * self.plain
        return fitting, max(1, math.ceil(fitting * self.counting / max(seconds - plain, plain)))


@runtime_checkable
class Paced(Protocol):
    """A runner in an emulator. every: one step of so many is counted, the first of each sample too."""

    every: int

    def pace(self, x: F32) -> Pace:
        """Seconds of a step, measured on a few: x (T, 1, inputs). They are not counted."""
        ...


def seconds_of(work: Callable[[], object]) -> float:
    """Wall time of some work."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def seconds_per_step(short: float, long: float, steps: int) -> float:
    """Seconds of each of the `steps` that a long run has more than a short one; LEAST_S or more."""
    return max(LEAST_S, (long - short) / max(1, steps))
