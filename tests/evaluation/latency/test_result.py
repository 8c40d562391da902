"""Rows of a benchmark, and the one measure of their spread."""

import importlib
import statistics

import pytest

from delrec_compile.evaluation.latency.result import Bench, BenchRow, bench_from_dict, spread


def test_the_spread_is_the_interquartile_range_over_the_median() -> None:
    times = [4.0, 1.0, 2.0, 3.0, 100.0]
    lower, _, upper = statistics.quantiles(times, n=4)
    assert spread(times) == (upper - lower) / 3.0
    assert spread([2.0] * 9) == 0.0
    assert spread([5.0]) == spread([]) == 0.0


def test_one_outlier_does_not_move_the_spread() -> None:
    times = [1.0, 1.1, 0.9, 1.0, 1.05, 0.95, 1.0, 1.02, 0.98]
    assert spread([*times, 50.0]) == pytest.approx(spread(times), abs=0.1)


@pytest.mark.parametrize("module", ["devices", "footprint.measure", "latency.bench", "latency.gpu"])
def test_every_result_takes_the_same_spread(module: str) -> None:
    assert importlib.import_module(f"delrec_compile.evaluation.{module}").spread is spread


def test_a_bench_is_read_from_its_dict() -> None:
    rows = (
        BenchRow("ours", 1.0, 0.1, 1.0, "steps", {"steps": 1.0}),
        BenchRow("numpy", 9.0, 0.2, 9.0),
    )
    bench = Bench(rows, {"form": "step"}, {"snntorch": "not installed"})
    raw = bench.as_dict()
    assert [r["name"] for r in raw["rows"]] == ["ours", "numpy", "snntorch"]
    assert raw["rows"][2]["us_per_step"] is None
    assert bench_from_dict(raw) == bench
