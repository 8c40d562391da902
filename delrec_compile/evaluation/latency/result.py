"""Rows of a benchmark and what they are read from."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """ratio_to_ours: how many times longer a step takes here than in the compiled native loop.

    us_per_step: of all streams of a batch together. form: the engine's fastest form; forms: what
    each of its forms took in a short comparison.
    """

    name: str
    us_per_step: float
    spread: float
    ratio_to_ours: float
    form: str = ""
    forms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    """rows in the order of NAMES; workload: what was run; skipped: name -> why, and what mends it."""

    rows: tuple[Row, ...]
    workload: dict[str, Any]
    skipped: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        empty = {"us_per_step": None, "spread": None, "ratio_to_ours": None}
        measured = [{**asdict(r), "skipped": None} for r in self.rows]
        missing = [{"name": n, **empty, "skipped": why} for n, why in self.skipped.items()]
        return {"rows": [*measured, *missing], "workload": self.workload}


def parsed(raw: dict[str, Any]) -> Bench:
    """A `Bench` from what its `as_dict` gave."""
    skipped = {r["name"]: r["skipped"] for r in raw["rows"] if r.get("skipped")}
    keys = Row.__dataclass_fields__
    made = [Row(**{k: v for k, v in r.items() if k in keys}) for r in raw["rows"]]
    return Bench(tuple(r for r in made if r.name not in skipped), raw["workload"], skipped)


def spread(times: list[float]) -> float:
    """Interquartile range over the median."""
    if len(times) < 2:
        return 0.0
    quarter = statistics.quantiles(times, n=4)
    return (quarter[2] - quarter[0]) / quarter[1]
