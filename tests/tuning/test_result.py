"""Limits of a run, and its result as JSON."""

from __future__ import annotations

import json

from helpers import refusal

from delrec_compile.aliases import Numeric
from delrec_compile.compiler.schedules.record import Measurement
from delrec_compile.errors import UsageError
from delrec_compile.targets.schedule import Schedule
from delrec_compile.tuning.result import Limits, Tuned


def measured(ratio: float, wins: float | None = None) -> Measurement:
    return Measurement(Schedule(lanes=4), {"steps": ratio}, {"steps": ratio}, ratio, wins)


def test_limits_are_positive() -> None:
    assert Limits(None, None).minutes is None
    with refusal(UsageError, "--minutes 0: more than 0 is required", 2):
        Limits(minutes=0)
    with refusal(UsageError, "--trials -1: more than 0 is required", 2):
        Limits(trials=-1)


def test_a_result_says_how_much_faster() -> None:
    counts = {"measured": 3, "known": 0, "failed": 1}
    result = Tuned(
        target="x86_64",
        cpu="some",
        numeric=Numeric.INT8,
        how="native",
        unit="us",
        shipped=measured(1.0),
        best=measured(0.5, 1.0),
        untuned=measured(2.0, 0.0),
        trials=counts,
        space={"lanes": (4, 8)},
        size=2,
        ended="3 trials are done",
        seconds=1.0,
        store="here",
    )
    assert (result.speedup, result.over_untuned) == (2.0, 4.0)
    values = json.loads(json.dumps(result.as_dict()))
    assert values["numeric"] == "int8"
    assert values["speedup"] == 2.0
    assert values["best"]["schedule"]["lanes"] == 4
    assert values["best"]["wins"] == 1.0
    assert "wins" not in values["shipped"]
