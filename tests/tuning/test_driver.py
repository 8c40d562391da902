"""A run of tune with made-up costs: it finds the best, repeats nothing, survives failures."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.evaluators import SEED, SHIPPED
from fixtures.tuning import only, schedules, tuned, use

from delrec_compile.aliases import Numeric
from delrec_compile.compiler.schedules.store import Store, read
from delrec_compile.tuning import pool
from delrec_compile.tuning.space import Space, space_of


def test_the_best_of_the_whole_space_is_found(fake: None, tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    found = tuned(tmp_path, progress=lambda *a: seen.append(a))
    assert found.ended == "every schedule is measured"
    assert vars(found.best.schedule) == {**SHIPPED, "lanes": 16, "registers": 4, "rows": "units"}
    assert found.speedup == pytest.approx(2.5)
    space = Space(
        space_of("llvm", [], SHIPPED, conv=False, sequences=False, synaptic=False).knobs,
        SHIPPED,
        Numeric.FLOAT32,
    )
    assert found.size == len(list(space.candidates())) == 180
    tried = schedules(only(tmp_path))
    # the evolutionary search stops when it finds nothing new for a while
    assert 150 <= len(tried) == len(set(tried)) <= 180
    assert found.trials == {"measured": len(tried), "known": 0, "failed": 0}
    winner = read(only(tmp_path)).winners[-1]
    assert winner.schedule == found.best.schedule
    assert vars(winner.shipped) == SHIPPED
    assert "best 2.50x of shipped" in seen[-2][2]


def test_the_search_finds_a_good_point_early(fake: None, tmp_path: Path) -> None:
    found = tuned(tmp_path, trials=24)
    assert found.ended == "24 trials are done"
    assert found.speedup > 1.6
    assert len(schedules(only(tmp_path))) == 24


def test_the_same_command_goes_on_and_measures_nothing_twice(fake: None, tmp_path: Path) -> None:
    first = tuned(tmp_path, trials=10)
    second = tuned(tmp_path, trials=10)
    assert (first.trials["known"], second.trials["known"]) == (0, 10)
    assert second.trials["measured"] == 10
    tried = schedules(only(tmp_path))
    assert len(tried) == len(set(tried)) == 20
    assert second.speedup >= first.speedup


def test_exported_winners_are_tried_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use(monkeypatch, "SeededEvaluator")
    found = tuned(tmp_path, trials=2)
    assert vars(found.best.schedule) == SEED
    assert [dict(s) for s in schedules(only(tmp_path))] == [SHIPPED, SEED]


def test_a_crash_at_the_end_costs_one_point(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch, "FickleEvaluator")
    found = tuned(tmp_path)
    assert vars(found.best.schedule) != {**SEED, "registers": 4}
    assert 2 < found.speedup < 2.5


def test_what_was_measured_in_another_way_is_not_known(fake: None, tmp_path: Path) -> None:
    tuned(tmp_path, trials=3)
    found = read(only(tmp_path))
    assert found.key is not None
    trial = {"schedule": SEED, "ratio": 0.001, "unit": "instructions", "how": "emulated"}
    Store(tmp_path).append(found.key, {"trial": trial})
    again = tuned(tmp_path, trials=1)
    assert again.trials["known"] == 3
    assert again.speedup < 3


def test_a_form_that_gets_slower_replaces_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch, "LopsidedEvaluator")
    found = tuned(tmp_path, trials=12)
    assert vars(found.best.schedule) == SHIPPED


def test_instructions_and_times_are_not_mixed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch, "CountingEvaluator")
    tuned(tmp_path, trials=5)
    use(monkeypatch, "FakeEvaluator")
    timed = tuned(tmp_path, trials=5)
    assert timed.trials == {"measured": 5, "known": 0, "failed": 0}
    units = [t["unit"] for t in read(only(tmp_path)).all("trial")]
    assert units == ["instructions"] * 5 + ["us"] * 5
    assert tuned(tmp_path, trials=1).trials["known"] == 5


def test_what_is_slower_side_by_side_replaces_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch, "DisappointingEvaluator")
    found = tuned(tmp_path, trials=12)
    assert found.speedup == 1.0
    assert vars(found.best.schedule) == vars(found.shipped.schedule) == SHIPPED
    assert vars(read(only(tmp_path)).winners[-1].schedule) == SHIPPED


def test_crashes_hangs_and_wrong_bits_are_failed_trials(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch, "BadEvaluator")
    monkeypatch.setattr(pool, "TRIAL_S", 4.0)
    found = tuned(tmp_path)
    assert found.best.schedule.lanes in (4, 32)
    errors: dict[int, set[str]] = {}
    for trial in read(only(tmp_path)).all("trial"):
        if "error" in trial:
            assert "ratio" not in trial
            assert "\n" not in trial["error"]
            errors.setdefault(trial["schedule"]["lanes"], set()).add(trial["error"][:80])
    assert all("SIGSEGV" in e for e in errors[8])
    assert errors[16] == {"ParityError: other outputs"}
    assert any("took more than 4 s" in e for e in errors[32])
    assert found.trials["failed"] >= 40
    assert found.trials["measured"] >= 70


def test_damage_is_set_aside_and_told(fake: None, tmp_path: Path) -> None:
    tuned(tmp_path, trials=5)
    path = only(tmp_path)
    with path.open("ab") as file:
        file.write(b"garbage\ntorn")
    told: list[str] = []
    found = tuned(tmp_path, trials=1, progress=lambda *a: told.append(a[2]))
    assert found.trials["known"] == 5
    assert "2 damaged lines of the store went into quarantine" in told
    assert read(path).bad == ()
