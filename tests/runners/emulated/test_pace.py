"""Steps that fit into a time, with and without counting."""

from __future__ import annotations

import time

import pytest

from delrec_compile.runners.emulated.pace import Pace, seconds_of, seconds_per_step


@pytest.mark.parametrize(
    ("pace", "plan"),
    [
        (Pace(0.01, 0.05), (400, 1)),  # 24 s
        (Pace(0.04, 0.6), (400, 6)),  # 16 s, and 40 s for 67 counted steps
        (Pace(0.1, 0.0), (400, 1)),
        (Pace(0.2, 0.0), (300, 1)),
        (Pace(0.25, 0.125), (160, 1)),  # counting is cheap
        (Pace(1.0, 20.0), (30, 20)),
        (Pace(100.0, 900.0), (1, 9)),
    ],
)
def test_the_steps_of_a_minute(pace: Pace, plan: tuple[int, int]) -> None:
    steps, every = pace.plan(400, 60.0)
    assert (steps, every) == plan
    if steps > 1:
        assert steps * pace.plain + steps // every * pace.counting <= 60


def test_no_fewer_steps_than_are_asked_for() -> None:
    assert Pace(100.0, 900.0).plan(400, 60.0, least=20) == (20, 9)
    assert Pace(100.0).plan(15, 60.0, least=20) == (15, 1)


def test_times() -> None:
    assert seconds_of(lambda: time.sleep(0.01)) >= 0.01
    assert seconds_per_step(1.0, 3.0, 4) == 0.5
    assert 0 < seconds_per_step(3.0, 1.0, 4) < 1e-3  # the clock's noise
