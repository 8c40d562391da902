"""Ticks and texts of numbers, worked out by hand."""

from __future__ import annotations

import pytest

from delrec_compile.evaluation.page import axes
from delrec_compile.evaluation.page.figures import Tick


@pytest.mark.parametrize(
    ("span", "most", "step"),
    [(10, 5, 2), (7, 5, 2), (1, 4, 0.25), (800, 6, 200), (0, 5, 1), (31, 6, 10)],
)
def test_steps_are_round(span: float, most: int, step: float) -> None:
    assert axes.nice_step(span, most) == pytest.approx(step)


def test_values_lie_inside() -> None:
    assert axes.values(-2.2, 1.1, 3) == pytest.approx([-2, 0])
    assert axes.values(0, 0.3, 3) == pytest.approx([0, 0.1, 0.2, 0.3])


def test_a_linear_axis_upwards_has_its_greatest_value_at_the_top() -> None:
    assert axes.linear(0, 4, 2, up=True) == (Tick(100, "0"), Tick(50, "2"), Tick(0, "4"))
    assert axes.linear(0, 1, 2, whole=True) == (Tick(0, "0"), Tick(100, "1"))


def test_time_is_in_milliseconds_of_whole_steps() -> None:
    assert axes.time_ticks(80, 10.0, 4) == tuple(Tick(25.0 * k, f"{200 * k}") for k in range(5))


def test_a_logarithmic_axis_holds_whole_decades() -> None:
    axis = axes.Log([0.5, 10_000.0])
    assert (axis.low, axis.high) == (-1, 4)
    assert axis.at(0.1) == 0
    assert axis.at(10.0) == 40
    assert axis.at(1e9) == 100
    assert [t.text for t in axis.ticks()] == ["0.1", "1", "10", "100", "1,000", "10,000"]
    assert [t.text for t in axes.Log([1, 1e12]).ticks()][:3] == ["1", "100", "10,000"]
    assert axes.Log([]).ticks()[0] == Tick(0, "1")


def test_texts() -> None:
    assert [axes.short(v) for v in (0, 0.25, 2500, 3e6)] == ["0", "0.25", "2,500", "3M"]
    assert [axes.size(v) for v in (12, 2048, 3 << 20)] == ["12 B", "2.0 KB", "3.00 MB"]
    assert [axes.time(v) for v in (0.5242, 15.73, 161_000)] == ["524 ns", "15.7 µs", "161 ms"]
