"""Flowcharts of Mermaid as tables: its renderer would have to be fetched from another host."""

from __future__ import annotations

import re

FENCE = re.compile(r"^```mermaid\n(.*?)^```", re.MULTILINE | re.DOTALL)
HEAD = "flowchart LR"
TENSOR = re.compile(r'(\w+)\(\["([^"]+)"\]\)')
OPERATOR = re.compile(r'(\w+)\["([^"<]+)(?:<br>([^"]+))?"\]')
EDGE = re.compile(r"(\w+) --> (\w+)")


def tabled(text: str) -> str:
    """Markdown with a table of operators in place of each flowchart. Raises ValueError."""
    return FENCE.sub(lambda match: table(match[1]), text)


def table(chart: str) -> str:
    """A row for each operator: its constants, what it reads, and the outputs that are its own."""
    names: dict[str, str] = {}
    constants: dict[str, str] = {}
    reads: dict[str, list[str]] = {}
    gives: dict[str, list[str]] = {}
    head, *lines = (line.strip() for line in chart.strip().splitlines())
    if head != HEAD:
        raise ValueError(f"a picture that is no {HEAD!r}: {head}")
    for line in lines:
        if found := TENSOR.fullmatch(line):
            names[found[1]] = f"`{found[2].split()[0]}`{found[2].removeprefix(found[2].split()[0])}"
        elif found := OPERATOR.fullmatch(line):
            constants[found[1]] = ", ".join(f"`{c}`" for c in (found[3] or "").split(", ") if c)
            names[found[1]] = f"{len(constants)} {found[2]}"
        elif found := EDGE.fullmatch(line):
            source, end = found.groups()
            reads.setdefault(end, []).append(source)
            gives.setdefault(source, []).append(end)
        else:
            raise ValueError(f"a line of a picture that is no node and no edge: {line}")
    rows = ["| operator | constants | reads | gives |", "|---|---|---|---|"]
    for node, own in constants.items():
        inputs = ", ".join(names[i] for i in reads.get(node, []))
        outputs = ", ".join(names[i] for i in gives.get(node, []) if i not in constants)
        rows.append(f"| {names[node]} | {own} | {inputs} | {outputs} |")
    return "\n".join(rows)
