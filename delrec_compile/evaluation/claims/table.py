"""The claims as tables of cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from delrec_compile.evaluation.claims.claim import Claim, Claims
from delrec_compile.evaluation.claims.published import BASELINES

NONE = "-"
Cells = tuple[str, ...]
ACCURACY: Cells = (
    *("network", "recurrent parameters", "saving", "test accuracy", "gap to dense_delay"),
    *("valid", "seeds x epochs", "spikes per neuron and step"),
)
# of a pool of voices: intervals, and words of another synthesiser
POOLED: Cells = (
    *("network", "recurrent parameters", "saving", "test accuracy", "gap to dense_delay"),
    *("other synthesiser", "valid", "gap, valid", "folds x seeds x epochs"),
    "spikes per neuron and step",
)
SEALED = (
    "Test accuracy is not measured before a recipe is fixed; fix those that were chosen on validation "
    "samples with --fix."
)
PUBLISHED: Cells = (
    *("network", "published on SHD", "seeds", "test accuracy here", "difference", "source"),
)
APART = (
    "The published figures are of the authors' code on SHD; those here are of the data of this call, by "
    "recipes that differ as docs/claims.md lists."
)
COST: Cells = (
    *("network", "MACs", "additions", "energy", "MACs if dense", "energy if dense"),
    *("parameters", "state"),
)
LATENCY: Cells = ("network", "compiled step", "authors' form", "ratio")
DELAYS: Cells = ("network", "as learned", "shuffled among neurons", "all zero")
GRID: Cells = ("conv_delay", "recurrent parameters", "test accuracy", "valid", "epochs")
SHORT: Cells = ("network", "recurrent parameters", "saving", "accuracy", "energy of a step")
SHORT_POOLED: Cells = (*SHORT[:4], "gap to dense_delay", SHORT[4])


class Table(NamedTuple):
    """note: a line under it, or empty."""

    title: str
    columns: Cells
    rows: list[Cells]
    note: str = ""


def tables(result: Claims) -> Iterator[Table]:
    """Those that have rows."""
    rows = result.rows
    timed = rows if any(r.latency for r in rows) else ()
    pooled = "pool" in result.samples
    sealed = SEALED if pooled and any(r.accuracy_mean is None for r in rows) else ""
    columns, cells = (POOLED, _pooled) if pooled else (ACCURACY, _accuracy)
    made = [
        Table("Accuracy and recurrent parameters", columns, [*map(cells, rows)], sealed),
        Table("Beside the papers", PUBLISHED, _published(rows), _apart(result)),
        Table("Cost of a step at the measured rates", COST, [_cost(r) for r in rows]),
        Table("Time of a step, x86-64, one thread", LATENCY, [*map(_latency, timed)], result.taken),
        Table(
            "What the delays hold: test accuracy", DELAYS, [_delays(r) for r in rows if r.delays]
        ),
        Table(_ablated(pooled), GRID, [_grid(r) for r in result.grid]),
    ]
    return (table for table in made if table.rows)


def short(result: Claims) -> Table:
    """The few columns of a front page."""
    pooled = "pool" in result.samples
    columns = SHORT_POOLED if pooled else SHORT
    return Table("claims", columns, [_short(r, pooled) for r in result.rows])


def _short(r: Claim, pooled: bool) -> Cells:
    gap = (_gap(r, r.gap, r.interval),) if pooled else ()
    energy = f"{r.cost['energy_nj']:.0f} nJ"
    return r.title, f"{r.recurrent_parameters:,}", _saving(r), _mean(r), *gap, energy


def _ablated(pooled: bool) -> str:
    what = "channels, taps and longest delay" if pooled else "taps of the kernel and longest delay"
    return f"{what[0].upper()}{what[1:]}, one seed"


def _accuracy(r: Claim) -> Cells:
    gap, seeds = _gap(r, r.gap, None), f"{r.seeds} x {r.epochs}"
    parameters = f"{r.recurrent_parameters:,}"
    valid = _percent(r.valid_mean)
    return r.title, parameters, _saving(r), _mean(r), gap, valid, seeds, _rates(r)


def _pooled(r: Claim) -> Cells:
    return (
        r.title,
        f"{r.recurrent_parameters:,}",
        _saving(r),
        _mean(r),
        _gap(r, r.gap, r.interval),
        _percent(r.other),
        _percent(r.valid_mean),
        _gap(r, r.valid_gap, r.valid_interval),
        f"{r.folds} x {r.seeds} x {r.epochs}",
        _rates(r),
    )


def _published(rows: tuple[Claim, ...]) -> list[Cells]:
    """All rows, where one of them has a published figure."""
    return [_beside(r) for r in rows] if any(r.published for r in rows) else []


def _beside(r: Claim) -> Cells:
    told = r.published
    if told is None:
        return r.title, NONE, NONE, _mean(r), NONE, NONE
    spread = "" if told.std is None else f" ± {100 * told.std:.2f}"
    tested = r.accuracy_mean
    difference = NONE if tested is None else f"{100 * (tested - told.accuracy):+.1f}"
    seeds = NONE if told.seeds is None else str(told.seeds)
    return r.title, f"{100 * told.accuracy:.2f}{spread} %", seeds, _mean(r), difference, told.source


def _apart(result: Claims) -> str:
    """What the published figures do not share with those here."""
    held = result.valid_speakers
    speakers = f" The validation samples are of {held} speakers of whom no training sample is."
    return APART + (speakers if held else "")


def _gap(r: Claim, gap: float | None, interval: tuple[float, float] | None) -> str:
    """Points, and from where to where they lie."""
    if gap is None or r.kind in BASELINES:
        return NONE
    low, high = interval or (0.0, 0.0)
    spread = f" ({100 * low:+.1f} to {100 * high:+.1f})" if interval else ""
    return f"{100 * gap:+.1f}{spread}"


def _rates(r: Claim) -> str:
    return ", ".join(f"{100 * rate:.1f} %" for rate in r.rates[1:])


def _cost(r: Claim) -> Cells:
    c = r.cost
    return (
        r.title,
        f"{c['macs']:,.0f}",
        f"{c['additions']:,.0f}",
        f"{c['energy_nj']:,.1f} nJ",
        f"{c['dense_macs']:,.0f}",
        f"{c['dense_energy_nj']:,.0f} nJ",
        f"{c['parameter_bytes'] / 1024:,.0f} KiB",
        f"{c['state_bytes']:,.0f} B",
    )


def _latency(r: Claim) -> Cells:
    times = r.latency or {}
    ours, theirs = times.get("us_per_step"), times.get("authors_us_per_step")
    ratio = f"{theirs / ours:,.0f}x" if ours and theirs else NONE
    return (r.title, _us(ours), _us(theirs), ratio)


def _delays(r: Claim) -> Cells:
    changed = (_percent(r.delays["shuffled"]), _percent(r.delays["zeroed"]))
    return (r.title, _percent(r.accuracy_mean), *changed)


def _grid(r: Claim) -> Cells:
    scores = (_percent(r.accuracy_mean), _percent(r.valid_mean))
    return (r.title, f"{r.recurrent_parameters:,}", *scores, str(r.epochs))


def _saving(r: Claim) -> str:
    return f"{100 * r.saving:.1f} %"


def _mean(r: Claim) -> str:
    if r.accuracy_mean is None:
        return NONE
    spread = "" if r.accuracy_std is None else f" ± {100 * r.accuracy_std:.1f}"
    return f"{100 * r.accuracy_mean:.1f}{spread} %"


def _percent(share: float | None) -> str:
    return NONE if share is None else f"{100 * share:.1f} %"


def _us(value: float | None) -> str:
    return NONE if value is None else f"{value:,.2f} us"
