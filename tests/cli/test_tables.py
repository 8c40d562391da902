"""Tables of the terminal."""

from __future__ import annotations

import re

import cases
import pytest
from fixtures.comparison import comparison
from rich.console import Console

from delrec_compile.cli import tables
from delrec_compile.network.summary import inspect
from delrec_compile.system.doctor import Finding


def rendered(table: object) -> str:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_a_network_is_a_row_per_layer_and_its_readout() -> None:
    text = rendered(tables.network_table(inspect(cases.network("mixed"))))
    assert "network mixed" in text
    assert "14 -> 16" in text
    assert "dense_delay" in text
    assert "32 -> 5" in text


def test_the_first_column_is_text_and_the_others_are_numbers() -> None:
    table = tables.table("title", ("name", "us"), [("a", "1.0")])
    assert [column.justify for column in table.columns] == ["left", "right"]


@pytest.mark.parametrize(("ok", "state"), [(True, "ok"), (False, "optional")])
def test_a_finding_is_a_row_with_its_fix(ok: bool, state: str) -> None:
    finding = Finding("qemu", ok, "/usr/bin/qemu", "boards", "apt-get install qemu")
    (row,) = tables.finding_rows([finding])
    assert row == ("qemu", state, "/usr/bin/qemu", "boards", "apt-get install qemu")


def test_a_parity_table_has_a_row_per_engine() -> None:
    check = {
        "target": "x86_64",
        "spikes": {"compared": 1000, "differing": 2},
        "membrane": {"max_abs_error": 0.5},
        "accuracy": 0.85,
        "reference": "torch",
    }
    text = rendered(tables.parity_table([check]))
    assert "1,000" in text
    assert "85.0%" in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("pip install 'delrec-compile[cross]'", "pip install 'delrec-compile[cross]'"),
        ("a[/b]", "a[/b]"),
        ("[link=https://example.org]x[/link]", "[link=https://example.org]x[/link]"),
        (":bug:", ":bug:"),
        ("\x1b]0;OWNED\x07", r"\x1b]0;OWNED\x07"),
        ("two\nlines", r"two\nlines"),
        ("\u202ereversed", r"\u202ereversed"),
    ],
)
def test_cells_and_titles_are_shown_as_they_stand(value: str, shown: str) -> None:
    text = rendered(tables.table(f"<{value}>", ("name", f"{value}?"), [("first", f"={value}=")]))
    assert f"<{shown}>" in text
    assert f"{shown}?" in text
    assert f"={shown}=" in text
    assert "\x1b" not in text


def test_a_comparison_fits_a_terminal() -> None:
    text = rendered(tables.comparison_table(comparison()))
    for part in ("PyTorch eager", "ONNX Runtime", "cortex_m4", "27.0x", "failed", "195.3"):
        assert part in text
    assert max(map(len, text.splitlines())) <= 120


WIDE = [("name", *(f"{column} says more than fits" for column in "abcdef"), "1,234,567")]


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        (("fact", "value"), [("hash", "ab" * 40), ("meaning", "many words " * 12)]),
        (("tool", "state", "found", "fix"), [("qemu", "ok", "/usr/bin/" + "q" * 40, "none " * 9)]),
        (("name", *"abcdef", "us"), WIDE),
        (
            ("engine", "spikes compared", "differing", "worst membrane error", "accuracy"),
            [("cortex_m4, vs integer reference", "4,096,000", "0", "0", "85.0%")],
        ),
        (
            (
                "target",
                "fits",
                "flash KB",
                "of",
                "RAM KB",
                "of",
                "instructions",
                "est. us",
                "of step",
            ),
            [("nrf52840", "yes", "118.1", "1,024.0", "4.6", "252.0", "24,007", "375", "3.8%")],
        ),
    ],
)
@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_table_loses_nothing_at_any_width(columns: tuple, rows: list, width: int) -> None:
    console = Console(width=width)
    table = tables.table("title", columns, rows)
    with console.capture() as capture:
        console.print(table.fitted(console))
    text = capture.get()
    assert max(map(len, text.splitlines())) <= width
    kept = re.sub(r"[\s\W_]", "", text)
    for cell in (cell for row in rows for cell in row if " " not in cell and len(cell) < 18):
        assert re.sub(r"[\s\W_]", "", cell) in kept
    assert text.count("\u2026") == 0
    framed = [line for line in text.splitlines() if line[0] in "┃│"]
    assert all(line[-1] == line[0] for line in framed), text


def test_names_and_values_are_never_blocks_of_lines() -> None:
    console = Console(width=80)
    table = tables.table("", ("fact", "value"), [("hash", "ab" * 40)])
    assert table.fitted(console) is table
    wide = tables.table("", ("name", *"abcdef", "us"), WIDE)
    assert wide.fitted(console) is not wide
