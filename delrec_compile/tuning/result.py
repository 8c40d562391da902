"""The limits of a run of `tune`, and its result."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from delrec_compile.aliases import Numeric
from delrec_compile.compiler.schedules.record import Measurement
from delrec_compile.errors import UsageError

MINUTES = 10.0


@dataclass(frozen=True)
class Limits:
    """When to stop: minutes in all, and trials measured in this run; None: no limit.

    Raises UsageError for a limit of 0 or less.
    """

    minutes: float | None = MINUTES
    trials: int | None = None

    def __post_init__(self) -> None:
        for name in ("minutes", "trials"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"--{name} {value}: more than 0 is required")


@dataclass(frozen=True)
class Tuned:
    """The result of a run of `tune`.

    shipped, best, untuned: the profile's schedule, the winner, and the schedule of a profile that
    says nothing but the width of its vectors; their costs are per step, by form of call: `steps` one
    after the other, and natively also `sequence`, many in one call. unit: `us` or `instructions`.
    trials: numbers of trials measured in this run, known from before, and failed in this run. space:
    values searched, by field of the schedule. size: number of schedules in the space. ended: the
    reason for the end of the search. store: the file of its records. devices: number of trials
    measured on each, by its address; empty where none was named.
    """

    target: str
    cpu: str
    numeric: Numeric
    how: str
    unit: str
    shipped: Measurement
    best: Measurement
    untuned: Measurement | None
    trials: dict[str, int]
    space: dict[str, Any]
    size: int
    ended: str
    seconds: float
    store: str
    devices: dict[str, int] = field(default_factory=dict)

    @property
    def speedup(self) -> float:
        """Cost of the shipped schedule over that of the best; 1.0 where nothing beats it."""
        return 1 / self.best.ratio

    @property
    def over_untuned(self) -> float | None:
        """Cost of the untuned schedule over that of the best."""
        return self.untuned.ratio / self.best.ratio if self.untuned else None

    def as_dict(self) -> dict[str, Any]:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        measured = {name: values[name] for name in ("shipped", "best", "untuned")}
        return {
            **values,
            **{name: m and m.to_json() for name, m in measured.items()},
            "speedup": self.speedup,
            "over_untuned": self.over_untuned,
        }
