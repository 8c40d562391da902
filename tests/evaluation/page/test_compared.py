"""The page of a comparison: every row, its place on the axis, and the network where it is at hand."""

from __future__ import annotations

from dataclasses import replace

from fixtures.comparison import ROWS, comparison

from delrec_compile.data.events import Events
from delrec_compile.evaluation.compare.budgets import Miss
from delrec_compile.evaluation.page.compared import comparison_page
from delrec_compile.network.model import Network


def test_a_comparison_alone() -> None:
    page, recording = comparison_page(comparison(), command="again")
    assert recording is None
    assert [s.name for s in page.sections] == ["targets", "latency", "environment"]
    table = page.sections[0].parts[0]
    assert table.kinds == ["baseline", "baseline", "", "", "skipped", "failed"]
    assert table.rows[5][0] == "<script>"
    facts = {f.name: f for f in page.facts}
    assert facts["fastest here"].value == "1.5 µs"
    assert facts["fastest here"].detail == "x86_64 float32, 27x PyTorch"
    assert facts["fastest chip, estimate"].value == "~238 µs"
    assert facts["smallest program"].value == "195.3 KB"
    assert facts["targets"].detail == "1 failed, 1 skipped"
    assert facts["spikes that differ"].kind == "bad"  # a row failed with the code of parity


def test_memory_and_missed_budgets() -> None:
    row = replace(
        ROWS[1], flash_bytes=2 << 20, ram_bytes=1024, check={"spikes": {"differing": 0, "compared": 9}}
    )  # fmt: skip
    miss = Miss("cortex_m4", "int8", "--max-flash", 2.0, 1.0, "cortex_m4 int8: too large")
    page, _ = comparison_page(replace(comparison((row,)), misses=(miss,)))
    assert "memory" in [s.name for s in page.sections]
    bad = page.sections[0].parts[1]
    assert bad.lines == ("over budget: cortex_m4 int8: too large",)
    assert bad.kind == "bad"
    facts = {f.name: f for f in page.facts}
    assert facts["budgets missed"].value == "1"
    assert facts["spikes that differ"].detail == "of 9"
    assert facts["spikes that differ"].kind == "good"


def test_with_its_network(network: Network, bundled_samples: Events) -> None:
    page, recording = comparison_page(comparison(), network, bundled_samples, 4)
    assert recording is not None
    assert recording.index == 4
    assert [s.name for s in page.sections] == [
        *("targets", "latency", "network", "raster", "membranes", "delays", "energy"),
        "environment",
    ]
