"""The C text of sums of float32 rows: its portable form. Emulated chips run the other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from fixtures.c_text import of_c

from delrec_compile.compiler.tir.event_lists import Events
from delrec_compile.ops import linear
from delrec_compile.ops.linear_c import ADD, ADD_TIMES, WIDTH
from delrec_compile.targets.schedule import Schedule

RNG = np.random.default_rng(11)


def test_rows_are_added_eight_at_a_time_and_the_rest_by_itself(tmp_path: Path) -> None:
    n = 2 * WIDTH + 3
    weight = RNG.integers(-9, 10, (4, n)).astype(np.float32)
    events, out = np.array([0, 2, 3], np.int32), np.zeros(n, np.float32)
    counts = np.array([3, 0, 5, 2], np.float32)

    def body(e: Any, events: Any, weight: Any, counts: Any, out: Any) -> None:
        listed = Events(events, [e.T.int32(3)])
        rows = linear.Rows(listed, weight)
        times = linear.Rows(listed, weight, lambda j: counts[j])

        def finish(base: Any, size: int) -> Any:
            return lambda value, at, lanes: e.store(out, base + at, lanes, value)

        linear.emit(e, n, lambda _: linear.Sums("float32", finish, rows, [times]))

    schedule = Schedule(1, WIDTH, "branch")
    text = of_c(tmp_path, body, events, weight.reshape(-1), counts, out, schedule=schedule)
    assert text.count("ADD_EIGHT(") == 3, "its two definitions, and a call in a loop"
    want = weight[events].sum(0) + (counts[events, None] * weight[events]).sum(0)
    np.testing.assert_array_equal(out, want)


def test_each_weight_meets_its_own_sum() -> None:
    pairs = re.findall(r"vadd\.f32 %\[a(\d)\], %\[a(\d)\], s(\d+)", ADD)
    assert [(int(a), int(b), int(s)) for a, b, s in pairs] == [(k, k, 24 + k) for k in range(8)]
    pairs = re.findall(r"vfma\.f32 %\[a(\d)\], s(\d+), %\[count_\]", ADD_TIMES)
    assert [(int(a), int(s)) for a, s in pairs] == [(k, 24 + k) for k in range(8)]
