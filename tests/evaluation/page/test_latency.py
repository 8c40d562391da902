"""Bars of times: places on a logarithmic axis, spreads, estimates, skipped rows."""

from __future__ import annotations

import math
from typing import Any

import pytest

from delrec_compile.evaluation.page.latency import Times, of_artifact, of_comparison

BENCH: dict[str, Any] = {
    "rows": [
        {"name": "ours", "us_per_step": 0.5, "spread": 0.2, "ratio_to_ours": 1.0},
        {"name": "torch_eager", "us_per_step": 50.0, "spread": 0.0, "ratio_to_ours": 100.0},
        {"name": "snntorch", "us_per_step": None, "spread": None, "ratio_to_ours": None,
         "skipped": "not installed"},
    ]
}  # fmt: skip
COST = {"estimated_us": 172.0, "instructions_per_step": 28_913.0, "clock_mhz": 168.0}


def test_engines_stand_at_the_logarithm_of_their_time() -> None:
    bars = of_artifact({"bench": BENCH}, 10.0)
    assert bars is not None
    ours, torch, absent = bars.rows
    place = lambda us: 100 * (math.log10(us) + 1) / 5  # noqa: E731  0.1 us to 10 ms
    assert ours.at == pytest.approx(place(0.5), abs=0.01)
    assert ours.low == pytest.approx(place(0.45), abs=0.01)
    assert ours.high == pytest.approx(place(0.55), abs=0.01)
    assert torch.at == pytest.approx(place(50), abs=0.01)
    assert torch.low is None
    assert torch.detail == "100.0x the first"
    assert absent.at is None
    assert absent.detail == "skipped: not installed"
    assert bars.line is not None
    assert bars.line.at == 100
    assert bars.line.text == "one step, 10 ms"


def test_an_emulated_chip_is_an_estimate() -> None:
    bars = of_artifact({"emulated": COST}, 10.0)
    assert bars is not None
    (row,) = bars.rows
    assert "estimate" in row.kind
    assert row.value == "172 µs"
    assert row.detail == "28,913 instructions at 168 MHz"
    assert "estimate" in bars.caption
    assert of_artifact({}, 10.0) is None


def test_a_comparison_has_baselines_then_targets() -> None:
    row = {"numeric": "int8", "skipped": None, "failed": None, "us_per_step": None, "how": None}
    row |= {"estimated_us": None, "instructions_per_step": None, "clock_mhz": None}
    result = {
        "dt_ms": 1.0,
        "peers": [{"name": "onnxruntime", "us_per_step": 20.0}],
        "rows": [
            {**row, "target": "x86_64", "us_per_step": 2.0, "how": "native"},
            {**row, "target": "cortex_m4", **COST},
            {**row, "target": "arm_cpu", "skipped": "no zig"},
            {**row, "target": "riscv32", "failed": "too large"},
            {**row, "target": "wasm32", "how": "emulated"},
        ],
    }
    bars = of_comparison(result)
    assert [b.label for b in bars.rows] == [
        *("ONNX Runtime", "x86_64 int8", "cortex_m4 int8", "arm_cpu int8", "riscv32 int8"),
        "wasm32 int8",
    ]
    assert [b.at is None for b in bars.rows] == [False, False, False, True, True, True]
    assert [b.kind for b in bars.rows] == [
        "",
        "own",
        "estimate own",
        "skipped",
        "skipped",
        "skipped",
    ]
    assert bars.rows[4].detail == "failed: too large"
    assert bars.rows[5].detail == "emulated", "neither timed nor counted"


def test_a_row_beyond_the_limit_is_right_of_it() -> None:
    times = Times(1000.0)
    times.add("slow", 5000.0)
    bars = times.drawn("t", "")
    assert bars.line is not None
    assert bars.rows[0].at > bars.line.at  # type: ignore[operator]
