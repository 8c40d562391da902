"""A comparison as a table for people, and as a page of HTML that needs no other file."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from typing import Any

from rich import box
from rich.table import Table

from delrec_compile.cli import tables
from delrec_compile.evaluation.baselines.registry import title
from delrec_compile.evaluation.compare.budgets import KB
from delrec_compile.evaluation.compare.result import CYCLES_PER_INSTRUCTION, Comparison, TargetRow

COLUMNS = (
    "target",
    "numbers",
    "how",
    "us per step",
    "share of step",
    "instr. per step",
    "flash KB",
    "RAM KB",
    "times PyTorch",
    "spikes differ",
    "accuracy",
)
NONE = "-"
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #ccc; padding: .3rem .6rem; text-align: right; }
th:first-child, td:first-child { text-align: left; }
tr.failed td { background: #fbe3e4; } tr.skipped td { color: #777; }
tr.baseline td { font-style: italic; }
"""


def table(found: Comparison) -> Table:
    title = f"{found.network} on {len(found.rows)} targets"
    out = tables.table(title, COLUMNS, _cells(found))
    out.box, out.pad_edge = box.SIMPLE_HEAD, False
    out.columns[0].no_wrap = True
    return out


def lines(found: Comparison) -> Iterator[str]:
    """What the table cannot hold, one line each: costs in full, skips, failures, budgets."""
    for row in found.rows:
        if row.instructions_per_step is not None:
            yield _cost(row)
    if any(row.estimated_us is not None for row in found.rows):
        yield (
            f"~ is an estimate: instructions at that clock, {CYCLES_PER_INSTRUCTION:.1f} cycles each "
            "(CPI), no waits for memory; nothing was run on the chip"
        )
    if found.workload is not None:
        w = found.workload
        yield (
            f"native times: batch 1, one thread, interleaved medians of {w['samples']} samples of "
            f"{w['steps']} steps of {found.dt_ms:g} ms; inputs {w['input_density']:.1%} active, "
            f"hidden neurons {w['hidden_rate']:.1%}"
        )
    for row in found.rows:
        if row.skipped:
            yield f"skipped {row.name}: {row.skipped}"
        if row.failed:
            yield f"failed {row.name}: {row.failed}"
    yield from (f"over budget: {miss.text}" for miss in found.misses)
    yield from found.unjudged


def page(found: Comparison) -> str:
    """The same as one HTML file."""
    title = html.escape(f"{found.network} on {len(found.rows)} targets")
    kinds = ["baseline"] * len(found.baselines)
    kinds += ["failed" if r.failed else "skipped" if r.skipped else "ok" for r in found.rows]
    head = "".join(f"<th>{html.escape(c)}</th>" for c in COLUMNS)
    body = "\n".join(
        f'<tr class="{kind}">' + "".join(f"<td>{html.escape(c)}</td>" for c in cells) + "</tr>"
        for kind, cells in zip(kinds, _cells(found), strict=True)
    )
    told = "\n".join(f"<li>{html.escape(line)}</li>" for line in lines(found))
    where = html.escape(", ".join(f"{k} {v}" for k, v in found.machine.items()))
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f"<style>{STYLE}</style>\n<h1>{title}</h1>\n<table>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>\n<ul>\n{told}\n</ul>\n<p>Measured on: {where}.</p>\n"
        "</html>\n"
    )


def _cells(found: Comparison) -> Iterable[tuple[str, ...]]:
    for baseline in found.baselines:
        yield _baseline(baseline)
    for row in found.rows:
        yield _row(row)


def _baseline(baseline: dict[str, Any]) -> tuple[str, ...]:
    time = (f"{baseline['us_per_step']:,.2f}", _share(baseline["share_of_dt"]))
    ratio = _ratio(baseline["ratio_to_pytorch"])
    return (
        title(baseline["name"]).partition(",")[0],
        "float32",
        "native",
        *time,
        *[NONE] * 3,
        ratio,
        NONE,
        NONE,
    )


def _row(row: TargetRow) -> tuple[str, ...]:
    state = "skipped" if row.skipped else "failed" if row.failed else row.how or NONE
    us = NONE if row.us_per_step is None else f"{row.us_per_step:,.2f}"
    if row.us_per_step is None and row.estimated_us is not None:
        us = f"~{row.estimated_us:,.0f}"
    check = row.check or {}
    spikes = check.get("spikes", {}).get("differing")
    return (
        row.target,
        row.numeric,
        state,
        us,
        NONE if row.share_of_dt is None else _share(row.share_of_dt, us.startswith("~")),
        NONE if row.instructions_per_step is None else f"{row.instructions_per_step:,.0f}",
        _kb(row.flash_bytes),
        _kb(row.ram_bytes),
        NONE if row.ratio_to_pytorch is None else _ratio(row.ratio_to_pytorch),
        NONE if spikes is None else f"{spikes:,}",
        NONE if "accuracy" not in check else f"{check['accuracy']:.1%}",
    )


def _cost(row: TargetRow) -> str:
    text = f"{row.name}: {row.engine}, {row.instructions_per_step:,.0f} instructions per step"
    if row.worst_instructions is not None:
        text += f", {row.worst_instructions:,} at most"
    if row.stack_bytes:
        text += f", {row.stack_bytes:,} bytes of stack"
    if row.estimated_us is not None:
        text += f"; ~{row.estimated_us:,.0f} us at {row.clock_mhz:g} MHz"
        if row.estimated_worst_us is not None:
            text += f", ~{row.estimated_worst_us:,.0f} us at most"
    return text


def _share(share: float, about: bool = False) -> str:
    shown = f"{share:.1%}" if share >= 0.01 else f"{share * 100:.2g}%"
    return f"{'~' if about else ''}{shown}"


def _ratio(ratio: float) -> str:
    return f"{ratio:,.1f}x"


def _kb(size: int | None) -> str:
    return NONE if size is None else f"{size / KB:,.1f}"
