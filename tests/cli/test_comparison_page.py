"""A comparison as a table and as a page."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from delrec_compile.cli import comparison_page
from delrec_compile.cli.terminal import show
from delrec_compile.evaluation.compare.result import Comparison, TargetRow

TIME = {"us_per_step": 40.0, "share_of_dt": 0.004, "ratio_to_pytorch": 1.0}
ROWS = (
    TargetRow("x86_64", "float32", "native", us_per_step=1.5, ratio_to_pytorch=27.0),
    TargetRow(
        "cortex_m4",
        "int8",
        "emulated",
        engine="emulated core",
        instructions_per_step=40_000.0,
        clock_mhz=168.0,
        estimated_us=238.0,
        share_of_dt=0.0238,
        flash_bytes=200_000,
        check={"spikes": {"differing": 0}, "accuracy": 0.9},
    ),
    TargetRow("arm_cpu", "float32", skipped="no zig; pip install zig", exit_code=5),
    TargetRow("<script>", "float32", failed="a & b", exit_code=6),
)


def comparison(rows: tuple[TargetRow, ...] = ROWS) -> Comparison:
    workload: dict[str, Any] = {
        "samples": 3,
        "steps": 80,
        "input_density": 0.1,
        "hidden_rate": 0.05,
    }
    baselines = ({"name": "torch_eager", **TIME}, {"name": "onnxruntime", **TIME})
    machine = {"cpu": "a CPU", "system": "Linux"}
    return Comparison(
        "net", 10.0, rows, baselines, (), ("--max-us is not judged",), (), workload, machine
    )


class Reader(HTMLParser):
    """Rows, their classes, text of cells and lines, and what the page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.classes: list[str | None] = []
        self.links: list[str | None] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.classes.append(dict(attrs).get("class"))
        self.links += [v for k, v in attrs if k in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_page_is_complete_and_alone() -> None:
    page, reader = comparison_page.page(comparison()), Reader()
    reader.feed(page)
    head, *rows = reader.classes
    assert head is None
    assert rows == ["baseline", "baseline", "ok", "ok", "skipped", "failed"]
    assert reader.links == []
    assert "<script>" not in page
    assert "<script>" in reader.texts  # the name of a target, as text
    for text in ("net on 4 targets", "numeric mode", "~238", "--max-us is not judged"):
        assert text in reader.texts
    assert "Measured on: cpu a CPU, system Linux." in reader.texts
    assert page.startswith("<!doctype html>\n")


def test_the_lines_tell_costs_skips_and_failures() -> None:
    lines = list(comparison_page.lines(comparison()))
    assert lines[0] == (
        "cortex_m4 int8: emulated core, 40,000 instructions per step; ~238 us at 168 MHz"
    )
    assert "skipped arm_cpu float32: no zig; pip install zig" in lines
    assert "failed <script> float32: a & b" in lines
    assert any("3 samples of 80 steps of 10 ms" in line for line in lines)


def test_the_table_fits_a_terminal(capsys: Any) -> None:
    show(comparison_page.table(comparison()))
    text = capsys.readouterr().out
    for part in ("PyTorch eager", "ONNX Runtime", "cortex_m4", "27.0x", "failed", "195.3"):
        assert part in text
    assert max(map(len, text.splitlines())) <= 120
