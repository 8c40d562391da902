"""Budgets: sizes as text, and rows that are over a limit."""

from __future__ import annotations

import pytest
from helpers import refusal

from delrec_compile.errors import UsageError
from delrec_compile.evaluation.compare.budgets import LIMITS, Budgets, parse_size


def test_a_missed_budget_says_by_how_much():
    row = {
        "target": "cortex_m4",
        "numeric": "float32",
        "estimated_us": 250.0,
        "instructions_per_step": 42_000,
        "flash_bytes": 448_614,
        "ram_bytes": 3_400,
    }
    texts = [m.text for m in Budgets(200, 40_000, 128 * 1024, 3_000).misses(row)]
    assert texts == [
        "cortex_m4 float32: ~250.00 us per step, over --max-us 200.00 us by 50.00 us (25.0%)",
        "cortex_m4 float32: 42,000 instructions per step, over --max-instructions 40,000 "
        "instructions by 2,000 instructions (5.0%)",
        "cortex_m4 float32: 438.1 KB of flash, over --max-flash 128.0 KB by 310.1 KB (242.3%)",
        "cortex_m4 float32: 3,400 bytes of RAM, over --max-ram 3,000 bytes by 400 bytes (13.3%)",
    ]
    assert Budgets(250, 42_000, 448_614, 3_400).misses(row) == []
    assert Budgets().misses(row) == Budgets(max_us=1).misses({"target": "x", "numeric": "y"}) == []
    assert set(LIMITS) == set(Budgets.__dataclass_fields__)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4300", 4300),
        ("115k", 115 * 1024),
        ("128K", 128 * 1024),
        ("4.3KB", 4403),
        ("1M", 1 << 20),
        ("2 MiB", 2 << 20),
        ("12 B", 12),
    ],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "K", "12Q", "-4", "1.2.3k", "12 34"])
def test_no_sizes(text):
    with refusal(UsageError, "--max-ram .*: not a size; allowed: bytes, or like 115k", 2):
        parse_size(text, "--max-ram")
