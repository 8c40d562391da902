"""The page of a comparison: the table of targets, their times and memory, and the network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from delrec_compile import __version__
from delrec_compile.data.events import Events
from delrec_compile.evaluation.compare import table
from delrec_compile.evaluation.compare.result import Comparison
from delrec_compile.evaluation.page import latency, memory, sections
from delrec_compile.evaluation.page.axes import size, time
from delrec_compile.evaluation.page.figures import Fact, Lines, Page, Section, Table
from delrec_compile.evaluation.page.recording import Recording, record
from delrec_compile.network.model import Network
from delrec_compile.network.summary import inspect


def comparison_page(
    comparison: Comparison,
    network: Network | None = None,
    samples: Events | None = None,
    index: int = 0,
    command: str = "",
) -> tuple[Page, Recording | None]:
    """network, samples: those that were compared, where they are at hand; index: of the sample drawn."""
    r = None if network is None or samples is None else record(network, samples, index)
    parts: list[Section | None] = [_targets(comparison), _latency(comparison), _memory(comparison)]
    if network is not None:
        parts.append(sections.network_section(inspect(network)))
    if r is not None:
        parts += sections.sample_sections(r)
    if network is not None:
        parts.append(sections.delays_section(network))
    if network is not None and samples is not None:
        parts.append(sections.energy_section(network, samples))
    tools = {"delrec-compile": __version__}
    parts.append(sections.environment_section(tools, comparison.machine, command))
    about = f"{table.title(comparison)}, in steps of {comparison.dt_ms:g} ms."
    facts = tuple(_facts(comparison))
    return Page(comparison.network, about, facts, sections.present(parts), command), r


def _targets(comparison: Comparison) -> Section:
    rows = list(table.rows(comparison))
    kinds = ["" if kind == "ok" else kind for kind, _ in rows]
    cells = Table("Targets", table.COLUMNS, [cells for _, cells in rows], kinds=kinds)
    missed = Lines(tuple(f"over budget: {m.text}" for m in comparison.misses), "bad")
    lines = tuple(t for t in table.lines(comparison) if not t.startswith("over budget"))
    parts: list[Any] = [cells, *([missed] if missed.lines else []), Lines(lines)]
    return Section("targets", "Targets", tuple(parts))


def _latency(comparison: Comparison) -> Section:
    return Section("latency", "Latency", (latency.of_comparison(comparison.as_dict()),))


def _memory(comparison: Comparison) -> Section | None:
    bars = memory.of_programs(memory.programs_of(comparison.as_dict()["rows"]))
    return None if bars is None else Section("memory", "Memory", (bars,))


def _facts(comparison: Comparison) -> Iterator[Fact]:
    """The figures of the head."""
    checks = [row.check["spikes"] for row in comparison.rows if row.check]
    if checks:
        differing, compared = (sum(c[k] for c in checks) for k in ("differing", "compared"))
        kind = "good" if not any(row.exit_code == 6 for row in comparison.rows) else "bad"
        yield Fact("spikes that differ", f"{differing:,}", f"of {compared:,}", kind)
    native = [row for row in comparison.rows if row.us_per_step is not None]
    if native:
        best = min(native, key=lambda row: row.us_per_step or 0)
        ratio = f", {best.ratio_to_pytorch:,.0f}x PyTorch" if best.ratio_to_pytorch else ""
        yield Fact("fastest here", time(best.us_per_step or 0), f"{best.name}{ratio}")
    counted = [row for row in comparison.rows if row.estimated_us is not None]
    if counted:
        least = min(counted, key=lambda row: row.estimated_us or 0)
        yield Fact("fastest chip, estimate", f"~{time(least.estimated_us or 0)}", least.name)
    sized = [row for row in comparison.rows if row.flash_bytes is not None]
    if sized:
        small = min(sized, key=lambda row: row.flash_bytes or 0)
        yield Fact("smallest program", size(small.flash_bytes or 0), small.name)
    failed = sum(bool(row.failed) for row in comparison.rows)
    skipped = sum(bool(row.skipped) for row in comparison.rows)
    done = len(comparison.rows) - failed - skipped
    text = f"{failed} failed, {skipped} skipped" if failed or skipped else "none failed"
    yield Fact("targets", f"{done}", text, "bad" if failed else "")
    if comparison.misses:
        yield Fact(
            "budgets missed", str(len(comparison.misses)), comparison.misses[0].option, "bad"
        )
