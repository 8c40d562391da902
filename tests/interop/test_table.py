"""The table of imports: made of what the readers declare, complete, and current in the document."""

from __future__ import annotations

from pathlib import Path

import pytest

from delrec_compile.interop import table
from delrec_compile.interop.delrec.recipes import BY_NAME
from delrec_compile.interop.lava.layers import READ
from delrec_compile.interop.nir.graph import NEURONS, PASS_THROUGH
from delrec_compile.interop.nir.nodes import READS, WEIGHTS

PAGE = Path(__file__).parents[2] / "docs" / "import.md"


def test_the_page_is_current(tmp_path: Path) -> None:
    text = PAGE.read_text()
    copy = tmp_path / "import.md"
    copy.write_text(text.replace("| NIR | Affine |", "| NIR | Afine |"))
    table.main(copy)
    assert text == copy.read_text(), f"run {table.BEGIN}"


def test_every_node_of_nir_has_a_row() -> None:
    ir = pytest.importorskip("nir.ir")
    nodes = {n for n, c in vars(ir).items() if isinstance(c, type) and issubclass(c, ir.NIRNode)}
    assert set(READS) == nodes - {"NIRNode"}
    assert {*NEURONS, *WEIGHTS, *PASS_THROUGH} - {"Identity"} <= set(READS)


def test_rows_are_those_of_the_readers() -> None:
    told = [(source, there) for source, there, _ in table.rows()]
    assert len(set(told)) == len(told)
    assert {there for source, there in told if source == "Lava"} >= {f"layer {k}" for k in READ}
    here = " ".join(becomes for *_, becomes in table.rows())
    assert all(f"`{name}`" in here for name in BY_NAME)
