"""Results as tables of the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

from delrec_compile.errors import printable
from delrec_compile.evaluation import report
from delrec_compile.evaluation.compare import table as comparisons
from delrec_compile.evaluation.compare.result import Comparison
from delrec_compile.system.doctor import Finding

# a number with its sign, unit or mark, or the place of one that is not there
FIGURE = re.compile(r"|-|[~<>+-]?[\d.,]+ ?(%|x|[kKM]?B|m?s|us)?")
LEAST_TEXT = 18  # characters of a column of text: narrower, it cannot be read
BESIDE = 3  # characters of a border and of spaces at both sides, for each column
PAIR = 2  # columns of names and values, which fold
MANY = 10_000


class Sheet(Table):
    """A table that loses nothing where the terminal is narrow."""

    def fitted(self, console: Console) -> Table:
        """The same table where its figures have room; else a block of lines for each row."""
        unbounded = console.options.update_width(MANY)
        if Measurement.get(console, unbounded, self).maximum <= console.width:
            return self
        room = console.width - BESIDE * len(self.columns) - 1
        least = [_least(column) for column in self.columns]
        if sum(least) > room:
            return self if len(self.columns) <= PAIR else self._stacked()
        words = [
            max(w, _longest(str(c.header).split()))
            for w, c in zip(least, self.columns, strict=True)
        ]
        floor = words if sum(words) <= room else least
        widths = [max(_longest([c.header]), _longest(c.cells)) for c in self.columns]
        while sum(widths) > room:
            widest = max(range(len(widths)), key=lambda i: (widths[i] > floor[i], widths[i]))
            widths[widest] -= 1
        for column, width in zip(self.columns, widths, strict=True):
            column.width = width  # given a least width alone, rich may draw beyond the console
        return self

    def _stacked(self) -> Table:
        """A row for each cell: the name of its column, and what it holds."""
        out = Table(title=self.title, title_justify="left", box=None, show_header=False)
        out.add_column(no_wrap=True)
        out.add_column(overflow="fold")
        first, *others = self.columns
        rows = zip(*(column.cells for column in self.columns), strict=True)
        for row in rows:
            out.add_row(first.header, Text.assemble((str(row[0]), "bold")))
            for column, cell in zip(others, row[1:], strict=True):
                if str(cell):
                    out.add_row(Text.assemble("  ", str(column.header)), cell)
        return out


def _longest(cells: Iterable[Any]) -> int:
    return max((cell_len(str(cell)) for cell in cells), default=0)


def _least(column: Column) -> int:
    """The width in which figures are whole, and text can be read."""
    longest = _longest(column.cells)
    return longest if column.justify == "right" else min(longest, LEAST_TEXT)


def table(title: str, columns: Sequence[str], rows: report.Rows) -> Sheet:
    """A table; numbers are aligned right, all else left; text as it stands, no markup."""
    out = Sheet(title=_text(title, "bold"), title_justify="left")
    cells = [tuple(row) for row in rows]
    for i, column in enumerate(columns):
        figures = i > 0 and all(FIGURE.fullmatch(row[i]) for row in cells)
        justify: Literal["left", "right"] = "right" if figures else "left"
        out.add_column(_text(column), justify=justify, overflow="fold")
    for row in cells:
        out.add_row(*map(_text, row))
    return out


def _text(value: str, style: str = "") -> Text:
    return Text(printable(value), style)


def network_table(summary: dict[str, Any]) -> Sheet:
    """Layers or populations of a network. summary: see `network.summary.inspect`."""
    return table(f"network {summary['name']}", *report.network_table(summary))


def parity_table(checks: Sequence[dict[str, Any]]) -> Sheet:
    """Verdicts of parity, each as `Parity.as_dict()`."""
    return table(report.parity_title(checks), report.PARITY_COLUMNS, report.parity_rows(checks))


def finding_rows(findings: Iterable[Finding]) -> report.Rows:
    """A row for each tool that `doctor` probed."""
    for f in findings:
        yield (f.name, f.state, f.detail, f.needed_for, f.fix)


def comparison_table(comparison: Comparison) -> Sheet:
    """Baselines first, then a row for each target and numeric mode."""
    rows = (cells for _, cells in comparisons.rows(comparison))
    out = table(comparisons.title(comparison), comparisons.COLUMNS, rows)
    out.box, out.pad_edge = box.SIMPLE_HEAD, False
    out.columns[0].no_wrap = True
    return out
