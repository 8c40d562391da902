"""Results as Markdown."""

from __future__ import annotations

from typing import Any

from delrec_compile.evaluation.baselines.baseline import FORMS
from delrec_compile.evaluation.baselines.registry import title
from delrec_compile.evaluation.latency.bench import NAMES
from delrec_compile.evaluation.markdown import table

Results = dict[str, dict[str, Any]]


def markdown(results: Results) -> str:
    """One table per study: an engine per row, a point per column."""
    return "\n\n".join(_table(study) for study in results.values())


def _table(study: dict[str, Any]) -> str:
    points = study["points"]
    found = [{r["name"]: r for r in p["rows"]} for p in points]
    named = [n for n in NAMES if any(n in rows for rows in found)]
    head = [f"{study['title']}: us per step (times ours)", *(_heading(study, p) for p in points)]
    cells = [[title(name), *(_cell(rows.get(name)) for rows in found)] for name in named]
    return "\n".join(table(head, cells))


def _heading(study: dict[str, Any], point: dict[str, Any]) -> str:
    w = point["workload"]
    if study["over"] != "form":
        return f"{point['value']:g} {study['over']}"
    assert w["form"] in FORMS
    return {
        "step": "one step at a time",
        "sequence": f"{w['steps']} steps at once",
        "batch": f"{w['steps']} steps of {w['batch']} streams",
    }[str(w["form"])]


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    if row["skipped"]:
        return "not installed" if "not installed" in row["skipped"] else "-"
    us = row["us_per_step"]
    digits = 2 if us < 10 else 1 if us < 100 else 0
    return f"{us:,.{digits}f} ({row['ratio_to_ours']:,.1f}x)"
