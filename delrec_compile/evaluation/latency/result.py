"""The result of a benchmark: its rows, their spread, and their form in JSON."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class BenchRow:
    """The time of one engine.

    us_per_step: median over the rounds, of all streams of a batch together. spread: interquartile
    range over the median. ratio_to_ours: its time over that of the compiled native loop. form: the
    engine's fastest variant. forms: variant -> microseconds per step in a short comparison.
    """

    name: str
    us_per_step: float
    spread: float
    ratio_to_ours: float
    form: str = ""
    forms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    """The result of a benchmark.

    rows: in the order of ENGINES. workload: form, batch, steps and rates of what was run. skipped:
    engine -> why it was not timed, and how to install what it lacks.
    """

    rows: tuple[BenchRow, ...]
    workload: dict[str, Any]
    skipped: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        empty = {"us_per_step": None, "spread": None, "ratio_to_ours": None}
        measured = [{**asdict(r), "skipped": None} for r in self.rows]
        missing = [{"name": n, **empty, "skipped": why} for n, why in self.skipped.items()]
        return {"rows": [*measured, *missing], "workload": self.workload}


def bench_from_dict(raw: dict[str, Any]) -> Bench:
    """The inverse of `Bench.as_dict`."""
    skipped = {r["name"]: r["skipped"] for r in raw["rows"] if r.get("skipped")}
    keys = BenchRow.__dataclass_fields__
    made = [BenchRow(**{k: v for k, v in r.items() if k in keys}) for r in raw["rows"]]
    return Bench(tuple(r for r in made if r.name not in skipped), raw["workload"], skipped)


def spread(times: Sequence[float]) -> float:
    """Interquartile range of `times` over their median; 0 of a single one.

    Every `spread` in a result is this one, of a latency as of a cold start.
    """
    if len(times) < 2:
        return 0.0
    lower, _, upper = statistics.quantiles(times, n=4)
    return (upper - lower) / statistics.median(times)
