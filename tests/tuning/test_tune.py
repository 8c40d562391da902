"""`tune`: what it searches, what it records, what survives, and that it never makes anything slower."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cases
import numpy as np
import pytest
from fixtures.command import COMMAND, cli, refused
from fixtures.processes import gone
from fixtures.tuning import SEED, SHIPPED, use
from helpers import refusal

import delrec_compile
from delrec_compile import targets
from delrec_compile.aliases import Numeric
from delrec_compile.compiler.schedules.store import Store, read
from delrec_compile.data.events import Events, save_samples
from delrec_compile.errors import ParityError, UnsupportedError, UsageError
from delrec_compile.network import checkpoint
from delrec_compile.tuning import driver
from delrec_compile.tuning import evaluator as evaluation
from delrec_compile.tuning.evaluator import Evaluator
from delrec_compile.tuning.result import Limits, Tuned
from delrec_compile.tuning.space import Space, space_of

NAME = "conv3"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, "FakeEvaluator")


def tuned(db: Path, trials: int | None = None, **more: Any) -> Tuned:
    limits = Limits(minutes=None, trials=trials)
    network = cases.network(NAME)
    return delrec_compile.tune(network, "x86_64", db=db, limits=limits, **more)  # type: ignore[no-any-return]


def only(db: Path) -> Path:
    (path,) = Store(db).files()
    return path


def schedules(path: Path) -> list[tuple[Any, ...]]:
    return [tuple(sorted(t["schedule"].items())) for t in read(path).all("trial")]


# the space --------------------------------------------------------------------------------------


def test_every_field_of_a_schedule_is_searched_somewhere() -> None:
    """A new choice of Schedule needs its values in `tuning_space`."""
    found = set()
    for target in targets.names():
        profile = targets.load(target)
        if profile.generator != "cuda":
            for numeric in profile.numeric:
                own = vars(profile.schedules[0].schedule)
                features = ["avx512vbmi2", "avx512vl", "avx512vnni", "avx512bw"]
                found |= set(space_of(profile.generator, features, own, numeric=numeric).knobs)
    assert found == set(SHIPPED)


@pytest.mark.parametrize("numeric", list(Numeric))
@pytest.mark.parametrize("target", [t for t in targets.names() if t != "cuda"])
def test_a_space_holds_what_is_shipped_and_repeats_nothing(target: str, numeric: Numeric) -> None:
    profile = targets.load(target)
    for choice in profile.schedules:
        own = vars(choice.schedule)
        space = space_of(profile.generator, choice.features, own, numeric=numeric)
        candidates = list(space.candidates())
        assert own in candidates
        assert len({tuple(p.items()) for p in candidates}) == len(candidates) > 5
        for candidate in candidates:
            at = space.index(candidate)
            assert at is not None
            assert (
                space.candidate([v[k] for v, k in zip(space.knobs.values(), at, strict=True)])
                == candidate
            )
        assert space.index({**own, "lanes": 3}) is None
        assert space.index({"lanes": 4}) is None


def test_choices_without_effect_stay_as_shipped() -> None:
    own = {**SHIPPED, "lanes": 1, "bytes": "words"}
    for candidate in space_of("c", [], own, numeric=Numeric.INT8).candidates():
        if candidate["bytes"] == "wide":
            assert (candidate["words"], candidate["neurons"]) == (2, 2)
        if candidate["bytes"] == "words":
            assert candidate["registers"] == 8
    assert "bytes" not in space_of("c", [], own).knobs
    assert space_of("c", [], own, numeric=Numeric.INT16).knobs["bytes"] == ("words", "memory")
    with refusal(UnsupportedError, "GPUs have one schedule", 4):
        space_of("cuda", [], own)


# the run, with costs that are made up -----------------------------------------------------------


def test_the_best_of_the_whole_space_is_found(fake: None, tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    found = tuned(tmp_path, progress=lambda *a: seen.append(a))
    assert found.ended == "every schedule is measured"
    assert vars(found.best.schedule) == {**SHIPPED, "lanes": 16, "registers": 4, "rows": "units"}
    assert found.speedup == pytest.approx(2.5)
    space = Space(
        space_of("llvm", [], SHIPPED, conv=False, sequences=False).knobs, SHIPPED, Numeric.FLOAT32
    )
    assert found.size == len(list(space.candidates())) == 100
    tried = schedules(only(tmp_path))
    # the evolutionary search stops when it finds nothing new for a while
    assert 85 <= len(tried) == len(set(tried)) <= 100
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
    monkeypatch.setattr(driver, "TRIAL_S", 4.0)
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


def test_limits_and_targets_that_cannot_be(tmp_path: Path) -> None:
    network = cases.network(NAME)
    with refusal(UsageError, "--minutes 0: more than 0 is needed", 2):
        Limits(minutes=0)
    with refusal(UsageError, "--trials -1: more than 0 is needed", 2):
        Limits(trials=-1)
    with refusal(UsageError, "--jobs 0: at least 1 is needed", 2, tmp_path):
        delrec_compile.tune(network, "x86_64", jobs=0, db=tmp_path)
    with refusal(UnsupportedError, "GPUs have one schedule so far", 4, tmp_path):
        delrec_compile.tune(network, "cuda", db=tmp_path)
    with refusal(UnsupportedError, "no numeric mode 'int4'; allowed: float32, int16", 4, tmp_path):
        delrec_compile.tune(network, "x86_64", numeric="int4", db=tmp_path)
    with refusal(UnsupportedError, "did you mean 'x86_64'", 4, tmp_path):
        delrec_compile.tune(network, "x86_65", db=tmp_path)


# the real thing ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network and samples that fit it."""
    if not targets.load("x86_64").runs_here:
        pytest.skip("the compiled library does not run on this machine")
    folder = tmp_path_factory.mktemp("tune")
    checkpoint.save(cases.network(NAME), folder / "network.safetensors")
    x = cases.counts(cases.CASES[NAME], batch=4, steps=30)
    counts = np.ascontiguousarray(x.transpose(1, 0, 2)).astype(np.uint8)
    save_samples(folder / "samples.npz", Events(counts, np.zeros(4, np.int64), None, None, 10.0))
    return folder


@pytest.fixture(scope="module")
def evaluator(place: Path) -> Evaluator:
    return Evaluator(str(place), "x86_64", "x86-64", str(place / "samples.npz"))


def test_a_lab_builds_proves_and_times(evaluator: Evaluator) -> None:
    facts = evaluator.describe()
    assert facts["unit"] == "us"
    assert facts["key"]["cpu"] == "x86-64"
    assert facts["key"]["workload"]["parts"][1]["recurrence"]["depth"] == 13
    assert set(facts["costs"]) == {"steps", "sequence"}
    shipped = facts["space"]["shipped"]
    same = evaluator.measure(shipped)
    assert same["ratios"]["steps"] == 1.0, "it is the same code"
    assert 0.3 < same["ratios"]["sequence"] < 3
    other = evaluator.compare([{**shipped, "registers": 32, "events": "branch"}], rounds=3)[0]
    assert min(other["costs"].values()) > 0
    assert other["ratios"]["steps"] != 1.0
    assert other["wins"] in (0, 1 / 3, 2 / 3, 1)


def test_ratios_are_taken_within_a_turn() -> None:
    shipped = [{"steps": 1.0, "sequence": 1.0}, {"steps": 100.0, "sequence": 50.0}]
    mine = [{"steps": 0.5, "sequence": 0.125}, {"steps": 50.0, "sequence": 6.25}]
    found = evaluation.summary(mine, shipped, False)
    assert found["ratios"] == {"steps": 0.5, "sequence": 0.125}
    assert found["ratio"] == pytest.approx(0.25)
    assert found["wins"] == 1.0
    assert evaluation.summary(mine, shipped, True)["ratios"] == {"steps": 1.0, "sequence": 0.125}


def test_wrong_code_never_counts(
    evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    """A candidate of another network: its own self-test passes, its outputs are others."""
    real = evaluation.assemble

    def wrong(stage: str, *args: Any, **kw: Any) -> Any:
        network = cases._shift(cases.network(NAME), 0, 0.125)
        checkpoint.save(network, Path(stage) / "network.safetensors")
        return real(stage, *args, **kw)

    monkeypatch.setattr(evaluation, "assemble", wrong)
    with pytest.raises(ParityError, match="other outputs or spikes"):
        evaluator.measure(dict(evaluator.shipped.artifact.manifest.schedule))
    with pytest.raises(ParityError, match="differs from the reference"):
        Evaluator(str(place), "x86_64", "x86-64", str(place / "samples.npz"))
    assert len(list(place.glob("candidate-*"))) <= 2, "candidates are removed"


@pytest.mark.parametrize(
    ("target", "numeric", "change"),
    [
        ("arm_cpu", "float32", {"lanes": 4, "events": "branch"}),
        ("cortex_m4", "int8", {"words": 1}),
    ],
)
def test_emulated_points_cost_instructions(
    place: Path, tmp_path: Path, target: str, numeric: str, change: dict[str, Any]
) -> None:
    for package in ("unicorn", "ziglang"):
        pytest.importorskip(package)
    given = {"numeric": numeric, "samples": str(place / "samples.npz"), "db": tmp_path}
    found = delrec_compile.tune(
        cases.network(NAME), target, limits=Limits(None, trials=2), jobs=2, **given
    )
    assert found.unit == "instructions"
    assert "emulated" in found.how
    trials = read(only(tmp_path)).trials
    assert trials[0].schedule == found.shipped.schedule
    assert trials[0].ratio == 1.0
    assert all(t.measurement and t.measurement.costs["steps"] > 100 for t in trials)
    assert set(change) < set(vars(found.shipped.schedule))


def command(place: Path, db: Path, *more: str) -> list[str]:
    samples = str(place / "samples.npz")
    start = ("tune", str(place / "network.safetensors"), "--cpu", "x86-64", "-i", samples)
    return [*start, "--db", str(db), *more]


def test_the_command(place: Path, tmp_path: Path) -> None:
    db = tmp_path / "db"
    done = cli(*command(place, db, "--trials", "3", "--json"))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["schema"] == "delrec.tune/1"
    assert told["trials"]["measured"] == 3
    assert told["speedup"] >= 1.0
    best, shipped = told["best"]["costs"], told["shipped"]["costs"]
    assert all(0 < best[form] <= 1.02 * shipped[form] for form in ("steps", "sequence"))
    assert "] best " in done.stderr
    assert "min left" in done.stderr
    done = cli(*command(place, db, "--trials", "1"))
    assert done.returncode == 0, done.stderr
    assert re.search(r"4 of \d{3,} schedules measured, 1 of them now", done.stdout)
    assert "\nnext: delrec-compile build " in done.stdout
    done = cli("db", "ls", "--db", db, "--json")
    (row,) = json.loads(done.stdout)["files"]
    assert (row["trials"], row["failed"], row["network"]) == (4, 0, "14-20-17-5 ConvDelay")
    assert "--minutes: more" not in done.stderr
    assert "more than 0" in refused(2, *command(place, db, "--trials", "0"))


@pytest.fixture
def running(place: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The command, well into its trials."""
    process = subprocess.Popen(
        [*COMMAND, *command(place, tmp_path / "db", "--minutes", "5")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("[6/"):
            break
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_or_killed_the_trials_stay_and_nobody_is_left(
    running: subprocess.Popen[str], place: Path, tmp_path: Path, number: int
) -> None:
    workers = children(running.pid)
    assert len(workers) == 2
    os.killpg(running.pid, number)
    out, err = running.communicate(timeout=60)
    if number == signal.SIGINT:
        assert running.returncode == 130
        assert "the same command goes on" in err
        assert "Traceback" not in err
    assert out == ""
    assert all(gone(pid, 30) for pid in workers)
    path = only(tmp_path / "db")
    kept = read(path)
    assert len(kept.all("trial")) >= 5
    assert len(kept.bad) <= 1
    done = cli(*command(place, tmp_path / "db", "--trials", "2", "--json"))
    told = json.loads(done.stdout)
    assert told["trials"] == {"measured": 2, "known": len(kept.all("trial")), "failed": 0}
    tried = schedules(path)
    assert len(tried) == len(set(tried))


def test_the_commands_of_the_store(fake: None, tmp_path: Path) -> None:
    db, other = tmp_path / "db", tmp_path / "other"
    tuned(db, trials=4)
    tuned(other, trials=6)
    assert "nothing" not in cli("db", "verify", "--db", db).stderr
    path = only(db)
    with path.open("ab") as file:
        file.write(b"garbage\n")
    done = cli("db", "verify", "--db", db)
    assert done.returncode == 3
    assert "line 7: damaged: garbage" in " ".join(done.stdout.split())
    assert "'delrec-compile db repair' sets them aside" in done.stderr
    told = json.loads(cli("db", "repair", "--db", db, "--json").stdout)
    assert told["moved"] == {str(path): 1}
    assert cli("db", "verify", "--db", db).returncode == 0
    before = len(schedules(path))
    told = json.loads(cli("db", "merge", other, "--db", db, "--json").stdout)
    assert told["schema"] == "delrec.db-merge/1"
    assert sum(told["added"].values()) > 0
    assert before < len(set(schedules(path)))
    (row,) = json.loads(cli("db", "ls", "--db", db, "--json").stdout)["files"]
    assert row["state"] == "of other code: not used"
    assert "holds no winner" in refused(3, "db", "export", "--db", db, "-o", tmp_path / "x")
    assert json.loads(cli("db", "ls", "--db", tmp_path / "no", "--json").stdout)["files"] == []
