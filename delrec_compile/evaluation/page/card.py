"""A page as a model card: Markdown under front matter in YAML, as model hubs read it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from delrec_compile.evaluation import markdown
from delrec_compile.evaluation.markdown import plain
from delrec_compile.evaluation.page.figures import (
    Bars,
    Command,
    Fact,
    Lines,
    Page,
    Plots,
    Score,
    Section,
    Stages,
    Table,
)
from delrec_compile.evaluation.page.graph import Graph

TAGS = ("spiking-neural-network", "neuromorphic", "delays", "onnx", "edge", "microcontroller")
LIBRARY = "delrec-compile"


def card(page: Page, licence: str = "") -> str:
    """The text of the card. licence: its identifier, such as apache-2.0; left out where it is empty."""
    lines = [*_front(page, licence), "", f"# {plain(page.title)}", "", plain(page.about), ""]
    lines += _facts(page.facts)
    for section in page.sections:
        lines += ["", f"## {plain(section.title)}"]
        lines += ["", plain(section.lead)] if section.lead.strip() else []
        lines += _parts(section)
    return "\n".join(lines) + "\n"


def _front(page: Page, licence: str) -> Iterator[str]:
    """The front matter. A string in quotes is the same in JSON and in YAML."""
    yield "---"
    if licence:
        yield f"license: {json.dumps(licence)}"
    yield f"library_name: {LIBRARY}"
    yield "tags:"
    yield from (f"- {tag}" for tag in TAGS)
    if page.scores:
        yield "metrics:"
        yield from (f"- {kind}" for kind in dict.fromkeys(s.kind for s in page.scores))
        yield "model-index:"
        yield f"- name: {json.dumps(page.title)}"
        yield "  results:"
        yield from (line for score in page.scores for line in _result(score))
    yield "---"


def _result(score: Score) -> Iterator[str]:
    yield "  - task:"
    yield "      type: other"
    yield "    dataset:"
    yield f"      name: {json.dumps(score.data)}"
    yield "      type: samples"
    yield "    metrics:"
    yield f"    - type: {score.kind}"
    yield f"      value: {score.value:.6g}"


def _facts(facts: tuple[Fact, ...]) -> list[str]:
    rows = [(plain(f.name), plain(f.value), plain(f.detail)) for f in facts]
    return markdown.table(("", "", ""), rows, right=False) if rows else []


def _parts(section: Section) -> Iterator[str]:
    """Drawings are told by their words and tables."""
    for part in section.parts:
        lines = list(_part(part))
        if lines:
            yield ""
            yield from lines


def _part(part: Any) -> Iterator[str]:
    if isinstance(part, Table):
        yield from _table(part.title, part.columns, part.rows, right=part.right)
    elif isinstance(part, Bars):
        rows = [
            (f"{b.label}{f' ({b.detail})' if b.detail else ''}", *_values(b)) for b in part.rows
        ]
        columns = (part.columns[0], part.columns[2])
        yield from _table(part.title, columns, rows)
        yield from (["", plain(part.caption)] if part.caption else [])
    elif isinstance(part, Graph):
        yield plain(part.label)
    elif isinstance(part, Plots):
        yield from (f"- {plain(p.label)}" for p in part.plots)
    elif isinstance(part, Lines):
        yield from (f"- {plain(line)}" for line in part.lines)
    elif isinstance(part, Stages):
        for s in part.stages:
            yield f"1. {plain(s.title)}: {plain(s.detail)}{f', {s.size}' if s.size else ''}"
    else:
        assert isinstance(part, Command)
        yield from ("```sh", " ".join(part.line.split()).replace("```", ""), "```")


def _values(bar: Any) -> tuple[str]:
    return (bar.value + (f"; {bar.second.value}" if bar.second else ""),)


def _table(title: str, columns: Any, rows: Any, *, right: bool = True) -> Iterator[str]:
    cells = [[plain(cell) for cell in row] for row in rows]
    yield f"**{plain(title)}**"
    yield ""
    yield from markdown.table([plain(c) for c in columns], cells, right=right)
