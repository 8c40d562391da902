"""Records of `tune`: a measurement, the trial that made it, and the winner of a run.

The JSON of a trial and of a winner is that of the store's lines, see `store`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from delrec_compile.errors import UnsupportedError
from delrec_compile.targets.schedule import Schedule

Costs = dict[str, float]  # by form of call, such as `steps` and `sequence`
MICROSECONDS, INSTRUCTIONS = "us", "instructions"  # units of a cost


@dataclass(frozen=True)
class Measurement:
    """Cost of a schedule beside the shipped one.

    costs: cost of a step, by form of call. ratios: cost over that of the shipped schedule, by form.
    ratio: geometric mean of the ratios. wins: share of the rounds in which it was faster; None where
    it was not compared in rounds.
    """

    schedule: Schedule
    costs: Costs
    ratios: Costs
    ratio: float
    wins: float | None = None

    def to_json(self) -> dict[str, Any]:
        values = {"costs": self.costs, "ratios": self.ratios, "ratio": self.ratio}
        wins = {} if self.wins is None else {"wins": self.wins}
        return {"schedule": vars(self.schedule), **values, **wins}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Measurement:
        """Raises ValueError where it is not one."""
        try:
            return cls(
                parse_schedule(values["schedule"]),
                _costs(values["costs"]),
                _costs(values["ratios"]),
                float(values["ratio"]),
                None if values.get("wins") is None else float(values["wins"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a measurement ({error!r})") from error


@dataclass(frozen=True)
class Trial:
    """One schedule, measured or failed.

    how: where it was measured, such as `native`. seconds: duration of the trial. measurement: None
    where the trial failed. error: the failure, empty without one.
    """

    schedule: Schedule
    unit: str
    how: str
    seconds: float = 0.0
    measurement: Measurement | None = None
    error: str = ""

    @property
    def ratio(self) -> float | None:
        """Cost over that of the shipped schedule; None where the trial failed."""
        return self.measurement.ratio if self.measurement else None

    def to_json(self) -> dict[str, Any]:
        measured = self.measurement.to_json() if self.measurement else {"error": self.error}
        where = {"unit": self.unit, "how": self.how, "seconds": self.seconds}
        return {"schedule": vars(self.schedule), **measured, **where}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Trial:
        """Raises ValueError where it is not one."""
        try:
            error = str(values.get("error", ""))
            return cls(
                parse_schedule(values["schedule"]),
                str(values["unit"]),
                str(values["how"]),
                float(values.get("seconds", 0.0)),
                None if "error" in values else Measurement.from_json(values),
                error,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a trial ({error!r})") from error


@dataclass(frozen=True)
class Winner:
    """The best schedule of a run, compared with the shipped one side by side.

    ratio, ratios, costs: as in Measurement. shipped: the profile's own schedule, which it was
    compared with. command: the command that found it.
    """

    schedule: Schedule
    shipped: Schedule
    ratio: float
    unit: str
    how: str
    costs: Costs = field(default_factory=dict)
    shipped_costs: Costs = field(default_factory=dict)
    ratios: Costs = field(default_factory=dict)
    command: str = ""

    @property
    def timed(self) -> bool:
        """Whether the cost is a time, not in instructions."""
        return self.unit == MICROSECONDS

    def to_json(self) -> dict[str, Any]:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**values, "schedule": vars(self.schedule), "shipped": vars(self.shipped)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Winner:
        """Raises ValueError where it is not one."""
        try:
            return cls(
                schedule=parse_schedule(values["schedule"]),
                shipped=parse_schedule(values["shipped"]),
                ratio=float(values["ratio"]),
                unit=str(values["unit"]),
                how=str(values["how"]),
                costs=_costs(values.get("costs", {})),
                shipped_costs=_costs(values.get("shipped_costs", {})),
                ratios=_costs(values.get("ratios", {})),
                command=str(values.get("command", "")),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a winner ({error!r})") from error


def parse_schedule(values: Any) -> Schedule:
    """A schedule from a record. Raises ValueError where it is not one of this version."""
    if not isinstance(values, Mapping) or values.keys() != {f.name for f in fields(Schedule)}:
        raise ValueError("not a schedule of this version")
    try:
        return Schedule(**values)
    except (UnsupportedError, TypeError) as error:
        raise ValueError(str(error)) from error


def _costs(values: Mapping[str, Any]) -> Costs:
    return {str(form): float(cost) for form, cost in values.items()}
