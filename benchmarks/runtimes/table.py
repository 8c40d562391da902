"""The table of runtimes in docs/onnx.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from delrec_compile.system.files import write_atomic

COMMAND = "python -m benchmarks.runtimes --install --write"
START, END = f"<!-- runtimes: made by `{COMMAND}` -->", "<!-- end of runtimes -->"
VERDICTS = ("same bits", "same spikes")


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """A line for each runtime. rows: as in the JSON, one for each runtime and file."""
    lines = ["| runtime | version | same bits | same spikes | not | why not |"]
    lines.append("|---|---|---:|---:|---:|---|")
    for name in dict.fromkeys(row["runtime"] for row in rows):
        own = [row for row in rows if row["runtime"] == name]
        found = [row["verdict"] for row in own]
        same, spikes = (found.count(verdict) for verdict in VERDICTS)
        counts = f"{same} | {spikes} | {len(own) - same - spikes}"
        lines.append(f"| {name} | {own[0]['version'] or '-'} | {counts} | {_why(own)} |")
    return "\n".join(lines)


def _why(rows: Sequence[dict[str, Any]]) -> str:
    """Each reason once, with the files that it is of, where they are not all."""
    files: dict[str, list[str]] = {}
    for row in rows:
        if row["verdict"] not in VERDICTS:
            why = row.get("why") or f"off by {row['worst']:.2g}"
            files.setdefault(_short(why), []).append(row["file"])
    texts = [
        why if len(names) == len(rows) else f"{', '.join(names)}: {why}"
        for why, names in files.items()
    ]
    return "; ".join(texts)


def _short(text: str) -> str:
    return text[:100].replace("|", "/").replace("<", "(").replace(">", ")")


def with_table(page: str, table: str) -> str:
    """A page with its table replaced. Raises ValueError where it has no place for one."""
    before, _, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the page lacks '{START}' and '{END}'")
    return f"{before}{START}\n{table}\n{END}{after}"


def write(page: Path, rows: Sequence[dict[str, Any]]) -> None:
    write_atomic(page, with_table(page.read_text(), markdown(rows)).encode())
