"""A comparison as cells of a table and the lines under it, for the terminal and for pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from delrec_compile.evaluation.baselines import registry
from delrec_compile.evaluation.compare.budgets import KB
from delrec_compile.evaluation.compare.result import CYCLES_PER_INSTRUCTION, Comparison, TargetRow

COLUMNS = (
    "target",
    "numeric mode",
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


def title(comparison: Comparison) -> str:
    return f"{comparison.network} on {len(comparison.rows)} targets"


def rows(comparison: Comparison) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Baselines first, then a row for each target and numeric mode: the kind of each, and its cells."""
    for baseline in comparison.baselines:
        yield "baseline", _baseline(baseline)
    for row in comparison.rows:
        yield "failed" if row.failed else "skipped" if row.skipped else "ok", _row(row)


def lines(comparison: Comparison) -> Iterator[str]:
    """Lines under the table: costs in full, skips, failures, budgets."""
    for row in comparison.rows:
        if row.instructions_per_step is not None:
            yield _cost(row)
        if remark := (row.check or {}).get("remark"):
            yield f"{row.name}: {remark}"
    if any(row.estimated_us is not None for row in comparison.rows):
        yield (
            f"~ is an estimate: instructions at that clock, {CYCLES_PER_INSTRUCTION:.1f} cycles each "
            "(CPI), no waits for memory; nothing was run on the chip"
        )
    if comparison.workload is not None:
        w = comparison.workload
        yield (
            f"native times: batch 1, one thread, interleaved medians of {w['samples']} samples of "
            f"{w['steps']} steps of {comparison.dt_ms:g} ms; inputs {w['input_density']:.1%} active, "
            f"hidden neurons {w['hidden_rate']:.1%}"
        )
    for row in comparison.rows:
        if row.skipped:
            yield f"skipped {row.name}: {row.skipped}"
        if row.failed:
            yield f"failed {row.name}: {row.failed}"
    yield from (f"over budget: {miss.text}" for miss in comparison.misses)
    yield from comparison.unjudged


def _baseline(baseline: dict[str, Any]) -> tuple[str, ...]:
    engine = registry.title(baseline["name"]).partition(",")[0]
    time = (f"{baseline['us_per_step']:,.2f}", _share(baseline["share_of_dt"]))
    ratio = _ratio(baseline["ratio_to_pytorch"])
    return (engine, "float32", "native", *time, *[NONE] * 3, ratio, NONE, NONE)


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
        NONE if check.get("accuracy") is None else f"{check['accuracy']:.1%}",
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


def _share(share: float, estimate: bool = False) -> str:
    text = f"{share:.1%}" if share >= 0.01 else f"{share * 100:.2g}%"
    return f"{'~' if estimate else ''}{text}"


def _ratio(ratio: float) -> str:
    return f"{ratio:,.1f}x"


def _kb(size: int | None) -> str:
    return NONE if size is None else f"{size / KB:,.1f}"
