"""The claims as tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fixtures.claims import pooled_claims, small_claims

from delrec_compile.evaluation.claims import work
from delrec_compile.evaluation.claims.page import markdown, write
from delrec_compile.evaluation.claims.table import short, tables


def test_tables_hold_every_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def timed(path: Path) -> dict[str, Any]:
        assert path.exists()
        return {"us_per_step": 0.5, "authors_us_per_step": 200.0, "skipped": None}

    monkeypatch.setattr(work, "latency", timed)
    found = small_claims(tmp_path, with_latency=True)
    made = list(tables(found))
    assert [title.split()[0] for title, _, _, _ in made] == ["Accuracy", "Cost", "Time", "What"]
    for _, columns, rows, note in [*made, short(found)]:
        assert note == ""
        assert [row[0] for row in rows] == ["conv_delay", "dense_delay"]
        assert all(len(row) == len(columns) for row in rows)
    page = markdown(found, "delrec-compile claims DATA")
    assert "| conv_delay | 0.50 us | 200.00 us | 400x |" in page
    assert page.startswith("Made by `delrec-compile claims DATA` in ")
    assert "with 4 new trainings. 160 training samples; accuracies are of 40 test and 40" in page
    path = tmp_path / "page.md"
    path.write_text(
        "# A\n<!-- claims -->\nold\n<!-- end of claims -->\nkept\n"
        "<!-- claims: short -->\nold\n<!-- end of claims -->\nlast\n"
    )
    for _ in range(2):
        write(path, found, "claims")
        whole = path.read_text()
        assert whole.count("Made by `claims`") == 2
        assert whole.count("### ") == 4
        assert "\nold\n" not in whole
        assert whole.startswith("# A\n<!-- claims -->\nMade by")
        assert whole.endswith("<!-- end of claims -->\nlast\n")
    write(tmp_path / "new.md", found, "claims")
    assert (tmp_path / "new.md").read_text() == markdown(found, "claims")


def test_the_few_columns_of_a_pool_have_the_gap_and_its_interval(tmp_path: Path) -> None:
    found = pooled_claims(tmp_path, fix=True)
    few = short(found)
    assert few.columns[4] == "gap to dense_delay"
    conv, dense = few.rows
    interval = found.rows[0].interval
    assert interval is not None
    low, high = (100 * end for end in interval)
    assert conv[4].endswith(f" ({low:+.1f} to {high:+.1f})")
    assert dense[4] == "-"
    assert {len(row) for row in few.rows} == {len(few.columns)}
