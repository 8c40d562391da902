"""Tables in Markdown: the one helper for reports, pages and benchmarks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: bool = True
) -> list[str]:
    """Lines of a table: the head, the alignment, the rows. A `|` in a cell is escaped.

    right: align all columns but the first to the right.
    """
    align = ["---", *(["---:" if right else "---"] * (len(columns) - 1))]
    return [_line(columns), f"|{'|'.join(align)}|", *(_line(row) for row in rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
