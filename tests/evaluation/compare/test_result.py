"""A comparison's exit code."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
from fixtures.comparison import comparison

from delrec_compile.evaluation.compare.budgets import Budgets, Miss
from delrec_compile.evaluation.compare.result import Comparison, TargetRow


def made(*rows, **kw):
    facts = {"baselines": (), "misses": (), "unjudged": (), "unanswered": (), "workload": None}
    return Comparison("n", 10.0, tuple(rows), **{**facts, "machine": {}, **kw})


def test_exit_codes_in_order():
    fine = TargetRow("a", "float32", "native", us_per_step=2.0)
    tool = TargetRow("b", "float32", skipped="no zig; pip install zig", exit_code=5)
    mode = TargetRow("c", "int8", skipped="no int8", exit_code=4)
    big = TargetRow("d", "float32", failed="does not fit", exit_code=7)
    wrong = TargetRow("e", "float32", failed="e differs", exit_code=6)
    crash = TargetRow("f", "float32", failed="died", exit_code=9)
    missed = Budgets(max_us=1).misses(asdict(fine))

    def code(*rows, **kw):
        error = made(*rows, **kw).error()
        return error.exit_code if error else 0

    assert code(fine) == code(fine, tool, mode) == 0
    assert code(tool, mode) == 5
    assert code(mode) == 4
    assert code(fine, crash) == 9
    assert code(fine, crash, big) == 7
    assert code(fine, wrong, big, misses=tuple(missed)) == 6
    assert code(fine, crash, misses=tuple(missed)) == 7
    assert code(fine, unanswered=("--max-ram",)) == 2
    assert code(fine, tool, unanswered=("--max-ram",)) == 5
    assert "\n" not in str(made(fine, wrong, big).error())


def test_it_is_read_back_from_what_was_printed() -> None:
    miss = Miss("cortex_m4", "int8", "--max-flash", 2.0, 1.0, "too large")
    whole = replace(comparison(), misses=(miss,))
    assert Comparison.from_dict(json.loads(json.dumps(whole.as_dict()))) == whole


def test_a_comparison_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no rows"):
        Comparison.from_dict({**made(TargetRow("a", "float32")).as_dict(), "rows": []})
