"""Times of a step on a logarithmic axis: engines of a benchmark, targets of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from delrec_compile.evaluation.baselines import registry
from delrec_compile.evaluation.compare.result import CYCLES_PER_INSTRUCTION
from delrec_compile.evaluation.page.axes import Log, short, time
from delrec_compile.evaluation.page.figures import Bar, Bars, Tick

AXIS = "µs per step, logarithmic"
ESTIMATE = (
    "A hollow mark is an estimate: instructions counted in the emulator at the chip's clock, "
    f"{CYCLES_PER_INSTRUCTION:.1f} cycles each, without waits for memory."
)
SPREAD = "A whisker is half the interquartile range of the rounds to each side of the median."


class Times:
    """Rows before the axis is known. dt_us: length of a time step, which is drawn as the limit."""

    def __init__(self, dt_us: float) -> None:
        self.dt_us = dt_us
        self.rows: list[tuple[str, float | None, float, str, str]] = []

    def add(self, label: str, us: float | None, spread: float = 0.0, kind: str = "",
            detail: str = "") -> None:  # fmt: skip
        """us: None of a row that was not timed. spread: see `latency.result.spread`."""
        self.rows.append((label, us, spread, kind, detail))

    def drawn(self, title: str, caption: str) -> Bars:
        """The rows on an axis of whole decades that holds the limit too."""
        timed = [us for _, us, *_ in self.rows if us is not None]
        axis = Log([*timed, self.dt_us])
        limit = Tick(axis.at(self.dt_us), f"one step, {short(self.dt_us / 1000)} ms")
        rows = tuple(_bar(axis, *row) for row in self.rows)
        columns = ("engine", AXIS, "per step")
        return Bars(title, columns, rows, axis.ticks(), AXIS, limit, dots=True, caption=caption)


def _bar(axis: Log, label: str, us: float | None, spread: float, kind: str, detail: str) -> Bar:
    if us is None:
        return Bar(label, "-", None, kind="skipped", detail=detail)
    if not spread:
        return Bar(label, time(us), axis.at(us), kind=kind, detail=detail)
    low, high = axis.at(us * max(1 - spread / 2, 0.01)), axis.at(us * (1 + spread / 2))
    return Bar(label, time(us), axis.at(us), low, high, kind, detail)


def of_artifact(measured: Mapping[str, Any], dt_ms: float) -> Bars | None:
    """The engines that were timed in a build, and the estimate of an emulated chip."""
    times = Times(dt_ms * 1000)
    bench, cost = measured.get("bench"), measured.get("emulated")
    for row in bench["rows"] if bench else ():
        ratio = "" if row["us_per_step"] is None else f"{row['ratio_to_ours']:,.1f}x the first"
        detail = f"skipped: {row['skipped']}" if row.get("skipped") else ratio
        kind = "own" if row["name"].startswith("ours") else ""
        name = registry.title(row["name"])
        times.add(name, row["us_per_step"], row.get("spread") or 0.0, kind, detail)
    if cost and cost.get("estimated_us"):
        counted = f"{cost['instructions_per_step']:,.0f} instructions at {cost['clock_mhz']:g} MHz"
        times.add("compiled, on the chip", cost["estimated_us"], 0.0, "estimate own", counted)
    if not times.rows:
        return None
    parts = [SPREAD] if bench else []
    return times.drawn("Time of a step", " ".join([*parts, *([ESTIMATE] if cost else [])]))


def of_comparison(result: Mapping[str, Any]) -> Bars:
    """The baselines, then the targets. result: `Comparison.as_dict()`."""
    times = Times(result["dt_ms"] * 1000)
    for row in result["peers"]:
        name = registry.title(row["name"]).partition(",")[0]
        times.add(name, row["us_per_step"], detail="native")
    for row in result["rows"]:
        label = f"{row['target']} {row['numeric']}"
        why = row["skipped"] or row["failed"]
        if why:
            state = "skipped" if row["skipped"] else "failed"
            times.add(label, None, detail=f"{state}: {why}")
        elif row["us_per_step"] is not None:
            times.add(label, row["us_per_step"], 0.0, "own", row["how"] or "")
        else:
            times.add(label, row["estimated_us"], 0.0, "estimate own", _counted(row))
    return times.drawn("Time of a step on every target", ESTIMATE)


def _counted(row: Mapping[str, Any]) -> str:
    if row["instructions_per_step"] is None:
        return row["how"] or ""
    clock = f" at {row['clock_mhz']:g} MHz" if row["clock_mhz"] else ""
    return f"{row['instructions_per_step']:,.0f} instructions{clock}"
