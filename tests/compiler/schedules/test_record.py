"""Trials and winners come back from their JSON; what is none of this version is refused."""

from __future__ import annotations

from typing import Any

import pytest

from delrec_compile.compiler.schedules.record import Measurement, Trial, Winner, parse_schedule
from delrec_compile.targets.schedule import Schedule

OWN = Schedule(lanes=4)
COSTS = {"steps": 2.0, "sequence": 1.0}
MEASURED = Measurement(Schedule(lanes=8), COSTS, {"steps": 0.5, "sequence": 0.5}, 0.5, 0.75)
TRIALS = [
    Trial(MEASURED.schedule, "us", "native", 1.5, MEASURED),
    Trial(OWN, "instructions", "emulated", 0.1, None, "ParityError: other outputs"),
]
WINNER = Winner(MEASURED.schedule, OWN, 0.5, "us", "native", COSTS, COSTS, COSTS, "tune")


@pytest.mark.parametrize("trial", TRIALS)
def test_a_trial_comes_back(trial: Trial) -> None:
    assert Trial.from_json(trial.to_json()) == trial
    assert trial.ratio == (0.5 if trial.measurement else None)
    assert ("error" in trial.to_json()) == (trial.measurement is None)


def test_a_winner_comes_back() -> None:
    assert Winner.from_json(WINNER.to_json()) == WINNER
    assert WINNER.timed
    assert WINNER.to_json()["shipped"] == vars(OWN)


def test_a_measurement_without_rounds_has_no_wins() -> None:
    alone = Measurement(OWN, COSTS, COSTS, 1.0)
    assert "wins" not in alone.to_json()
    assert Measurement.from_json(alone.to_json()) == alone


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Trial, {}),
        (Trial, {**TRIALS[0].to_json(), "costs": 3}),
        (Trial, {k: v for k, v in TRIALS[0].to_json().items() if k != "unit"}),
        (Winner, {**WINNER.to_json(), "ratio": "fast"}),
        (Winner, {**WINNER.to_json(), "shipped": {"lanes": 4}}),
        (Measurement, {**MEASURED.to_json(), "ratios": None}),
    ],
)
def test_damaged_records_are_refused(kind: Any, values: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        kind.from_json(values)


@pytest.mark.parametrize(
    "values",
    [
        5,
        {"lanes": 4},
        {**vars(OWN), "more": 1},
        {**vars(OWN), "lanes": 3},
        {**vars(OWN), "tile": ""},
    ],
)
def test_a_schedule_of_another_version_is_refused(values: Any) -> None:
    assert parse_schedule(vars(OWN)) == OWN
    with pytest.raises(ValueError):  # noqa: PT011
        parse_schedule(values)
