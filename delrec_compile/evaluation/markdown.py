"""Text and tables in Markdown: the one helper for reports, pages and benchmarks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from delrec_compile.errors import printable

SPECIAL = re.compile(r"([\\`*\[\]<>#&]|(?<![^\W_])_|_(?![^\W_]))")


def plain(text: str) -> str:
    """A name of a file that others made: on one line, signs of Markdown and HTML as themselves."""
    return SPECIAL.sub(r"\\\1", printable(" ".join(text.split())))


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: bool = True
) -> list[str]:
    """Lines of a table: the head, the alignment, the rows. Bars and unprintable signs are escaped.

    right: align all columns but the first to the right.
    """
    align = ["---", *(["---:" if right else "---"] * (len(columns) - 1))]
    return [_line(columns), f"|{'|'.join(align)}|", *(_line(row) for row in rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(printable(cell).replace('|', chr(92) + '|') for cell in cells)} |"
