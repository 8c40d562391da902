"""The cells of a comparison and the lines under them."""

from __future__ import annotations

from fixtures.comparison import comparison

from delrec_compile.evaluation.compare import table
from delrec_compile.evaluation.compare.result import TargetRow


def test_baselines_come_first_and_every_row_has_its_kind() -> None:
    kinds, cells = zip(*table.rows(comparison()), strict=True)
    assert kinds == ("baseline", "baseline", "ok", "ok", "skipped", "failed")
    assert [len(row) for row in cells] == [len(table.COLUMNS)] * 6
    assert cells[3][3:5] == ("~238", "~2.4%")
    assert cells[3][6] == "195.3"
    assert table.title(comparison()) == "net on 4 targets"


def test_the_lines_tell_costs_skips_and_failures() -> None:
    lines = list(table.lines(comparison()))
    assert lines[0] == (
        "cortex_m4 int8: emulated core, 40,000 instructions per step; ~238 us at 168 MHz"
    )
    assert "skipped arm_cpu float32: no zig; pip install zig" in lines
    assert "failed <script> float32: a & b" in lines
    assert any("3 samples of 80 steps of 10 ms" in line for line in lines)
    assert "--max-us is not judged" in lines


def test_what_was_not_run_and_has_no_clock_is_left_out() -> None:
    row = TargetRow(
        "wasm32",
        "int8",
        "emulated",
        engine="emulated core",
        instructions_per_step=40_000.0,
        worst_instructions=50_000,
        check={"remark": "1 of 3 samples"},
    )
    cost, remark, *_ = table.lines(comparison((row,)))
    assert cost == ("wasm32 int8: emulated core, 40,000 instructions per step, 50,000 at most")
    assert remark == "wasm32 int8: 1 of 3 samples"
