"""The claims as Markdown, in a file of their own or between two marks of a page.

<!-- claims -->        all tables          <!-- claims: short -->        the few columns
<!-- end of claims -->                     <!-- end of claims -->
"""

from __future__ import annotations

import re
from pathlib import Path

from delrec_compile.errors import InputError
from delrec_compile.evaluation import markdown as markdown_table
from delrec_compile.evaluation.claims.claim import Claims
from delrec_compile.evaluation.claims.cost import SOURCE
from delrec_compile.evaluation.claims.table import short, tables
from delrec_compile.system.files import write_atomic

MARKS = re.compile(
    r"(<!-- claims(?P<short>: short)? -->\n).*?(?P<end><!-- end of claims -->)", re.DOTALL
)


def write(path: Path, result: Claims, command: str) -> None:
    """Puts the tables between the marks of the page in `path`; without marks, or without a file,
    they become the whole file."""
    try:
        text = path.read_text() if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if MARKS.search(text):
        text = MARKS.sub(
            lambda m: f"{m[1]}{(brief if m['short'] else markdown)(result, command)}{m['end']}",
            text,
        )
    else:
        text = markdown(result, command)
    write_atomic(path, text.encode())


def markdown(result: Claims, command: str) -> str:
    """All tables, with what they were made by."""
    hours = sum(r.seconds for r in (*result.rows, *result.grid)) / 3600
    samples = result.samples
    tested = (
        f"{samples['pool']:,} test samples over all folds"
        if "pool" in samples
        else f"{samples['test']:,} test"
    )
    lines = [
        f"Made by `{command}` in {result.seconds:,.0f} s with {result.trained} new trainings. "
        f"{samples['train']:,} training samples; accuracies are of {tested} and "
        f"{samples['valid']:,} validation samples. Recorded training time: {hours:.1f} hours of "
        "a busy core.",
        "",
    ]
    for title, columns, rows, note in tables(result):
        lines += [
            f"### {title}",
            "",
            *markdown_table.table(columns, rows),
            "",
            *([note, ""] if note else ()),
        ]
    lines += [f"Energy counts arithmetic alone ({SOURCE}).", ""]
    return "\n".join(lines)


def brief(result: Claims, command: str) -> str:
    """The few columns of a front page."""
    table = short(result)
    return "\n".join(
        [*markdown_table.table(table.columns, table.rows), "", f"Made by `{command}`.", ""]
    )
