"""Results as tables of the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from delrec_compile.cli.terminal import printable
from delrec_compile.evaluation import report
from delrec_compile.evaluation.compare import table as comparisons
from delrec_compile.evaluation.compare.result import Comparison
from delrec_compile.system.doctor import Finding


def table(title: str, columns: Sequence[str], rows: report.Rows) -> Table:
    """A table whose first column is aligned left, the others right; text as it stands, no markup."""
    out = Table(title=_text(title, "bold"), title_justify="left")
    for i, column in enumerate(columns):
        out.add_column(_text(column), justify="left" if i == 0 else "right")
    for row in rows:
        out.add_row(*map(_text, row))
    return out


def left_table(title: str, columns: Sequence[str], rows: report.Rows) -> Table:
    """A table of text, its columns aligned left."""
    out = table(title, columns, rows)
    for column in out.columns:
        column.justify = "left"
        column.overflow = "fold"
    return out


def _text(value: str, style: str = "") -> Text:
    return Text(printable(value), style)


def network_table(summary: dict[str, Any]) -> Table:
    """Layers or populations of a network. summary: see `network.summary.inspect`."""
    return table(f"network {summary['name']}", *report.network_table(summary))


def parity_table(checks: Sequence[dict[str, Any]]) -> Table:
    """Verdicts of parity, each as `Parity.as_dict()`."""
    return table(report.parity_title(checks), report.PARITY_COLUMNS, report.parity_rows(checks))


def finding_rows(findings: Iterable[Finding]) -> report.Rows:
    """A row for each tool that `doctor` probed."""
    for f in findings:
        yield (f.name, f.state, f.detail, f.needed_for, f.fix)


def comparison_table(comparison: Comparison) -> Table:
    """Baselines first, then a row for each target and numeric mode."""
    rows = (cells for _, cells in comparisons.rows(comparison))
    out = table(comparisons.title(comparison), comparisons.COLUMNS, rows)
    out.box, out.pad_edge = box.SIMPLE_HEAD, False
    out.columns[0].no_wrap = True
    return out
