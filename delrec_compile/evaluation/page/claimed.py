"""The page of the claims: accuracy, parameters, energy and time of every kind of network."""

from __future__ import annotations

import platform
from collections.abc import Iterator

from delrec_compile import __version__
from delrec_compile.evaluation.claims.claim import Claim, Claims
from delrec_compile.evaluation.claims.cost import SOURCE
from delrec_compile.evaluation.claims.table import tables
from delrec_compile.evaluation.page import sections
from delrec_compile.evaluation.page.axes import Log, linear, short, time
from delrec_compile.evaluation.page.figures import (
    Bar,
    Bars,
    Fact,
    Lines,
    Page,
    Section,
    Table,
    Tick,
)

WHISKER = "A whisker is one standard deviation over the seeds to each side."


def claims_page(result: Claims, command: str = "") -> Page:
    """result: of `claims`."""
    parts = [
        Section("accuracy", "Accuracy", (accuracy(result.rows),)),
        Section("parameters", "Recurrent parameters", (parameters(result.rows),)),
        Section(
            "energy",
            "Energy, an estimate",
            (energy(result.rows), Lines((f"Constants: {SOURCE}.",))),
        ),
        _times(result),
        Section("tables", "All figures", tuple(_tables(result))),
        sections.environment_section(
            {"delrec-compile": __version__}, {"python": platform.python_version()}, command
        ),
    ]
    samples = ", ".join(f"{n:,} {name}" for name, n in result.samples.items())
    about = f"{len(result.rows)} kinds of network on {result.data}: {samples} samples."
    return Page("Claims", about, tuple(_facts(result)), sections.present(parts), command)


def accuracy(rows: tuple[Claim, ...]) -> Bars:
    """Test accuracy, from below the least to 100 %; of rows that tell it."""
    told = [(r, r.accuracy_mean) for r in rows if r.accuracy_mean is not None]
    low = min([mean - (r.accuracy_std or 0.0) for r, mean in told], default=0.0)
    low = max(0.0, int(20 * low) / 20)
    bars = tuple(_scored(r, mean, low) for r, mean in told)
    ticks = tuple(Tick(t.at, f"{t.text} %") for t in linear(100 * low, 100, 5))
    columns = ("network", "test accuracy", "mean")
    return Bars("Test accuracy", columns, bars, ticks, dots=True, caption=WHISKER)


def _scored(r: Claim, mean: float, least: float) -> Bar:
    """A row of the accuracy. least: share at the left end of the axis."""

    def place(share: float) -> float:
        return round(100 * (min(max(share, least), 1.0) - least) / ((1 - least) or 1), 3)

    std = r.accuracy_std
    text = f"{mean:.1%}" + ("" if std is None else f" ± {100 * std:.1f}")
    low, high = (place(mean + sign * std) if std else None for sign in (-1, 1))
    seeds = f"{r.seeds} seed{'' if r.seeds == 1 else 's'}, {r.epochs} epochs"
    return Bar(r.title, text, place(mean), low, high, "own", seeds)


def parameters(rows: tuple[Claim, ...]) -> Bars:
    """Parameters of the recurrence, on a logarithmic axis."""
    numbers = [(r, float(r.recurrent_parameters), f"{r.recurrent_parameters:,}") for r in rows]
    return _logarithmic("Recurrent parameters", "parameters, logarithmic", numbers, "count")


def energy(rows: tuple[Claim, ...]) -> Bars:
    """Energy of the arithmetic of a step, on a logarithmic axis."""
    numbers = [(r, r.cost["energy_nj"], f"{r.cost['energy_nj']:,.1f} nJ") for r in rows]
    return _logarithmic("Energy of a step", "nJ per step, logarithmic", numbers, "per step")


def _times(result: Claims) -> Section | None:
    timed = [(r, float((r.latency or {}).get("us_per_step") or 0)) for r in result.rows]
    numbers = [(r, us, time(us)) for r, us in timed if us]
    if not numbers:
        return None
    bars = _logarithmic("Time of a compiled step", "µs per step, logarithmic", numbers, "per step")
    lines = Lines((result.taken,)) if result.taken else Lines(())
    return Section("latency", "Latency", (bars, lines) if lines.lines else (bars,))


def _logarithmic(title: str, axis: str, numbers: list[tuple[Claim, float, str]], last: str) -> Bars:
    """A row without a value stands at no place."""
    scale = Log([n for _, n, _ in numbers])
    rows = tuple(
        Bar(r.title, text, scale.at(n) if n > 0 else None, kind="own", detail=_saved(r))
        for r, n, text in numbers
    )
    return Bars(title, ("network", axis, last), rows, scale.ticks(), axis, dots=True)


def _saved(r: Claim) -> str:
    return f"saves {r.saving:.1%} of the recurrent parameters" if r.saving > 0 else ""


def _tables(result: Claims) -> Iterator[Table | Lines]:
    for title, columns, rows, note in tables(result):
        yield Table(title, columns, rows)
        if note:
            yield Lines((note,))


def _facts(result: Claims) -> Iterator[Fact]:
    if not result.rows:
        return
    told = {r.title: r.accuracy_mean for r in result.rows if r.accuracy_mean is not None}
    small = min(result.rows, key=lambda r: (r.recurrent_parameters == 0, r.recurrent_parameters))
    least = min(result.rows, key=lambda r: r.cost["energy_nj"])
    if told:
        best = max(told, key=lambda title: told[title])
        yield Fact("best accuracy", f"{told[best]:.1%}", best)
    yield Fact("fewest parameters", f"{small.recurrent_parameters:,}", small.title)
    yield Fact("least energy", f"{short(round(least.cost['energy_nj'], 1))} nJ", least.title)
