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
import pytest
from fixtures.command import COMMAND, cli, refused
from fixtures.processes import gone
from fixtures.tuning import NAME, only, schedules
from helpers import refusal

import delrec_compile
from delrec_compile.compiler.schedules.store import read
from delrec_compile.errors import UnsupportedError, UsageError
from delrec_compile.tuning.result import Limits


def test_limits_and_targets_that_cannot_be(tmp_path: Path) -> None:
    network = cases.network(NAME)
    with refusal(UsageError, "jobs=0: at least 1 is required", 2, tmp_path):
        delrec_compile.tune(network, "x86_64", jobs=0, db=tmp_path)
    with refusal(UnsupportedError, "GPUs have one schedule so far", 4, tmp_path):
        delrec_compile.tune(network, "cuda", db=tmp_path)
    with refusal(UnsupportedError, "no numeric mode 'int4'; allowed: float32, int16", 4, tmp_path):
        delrec_compile.tune(network, "x86_64", numeric="int4", db=tmp_path)
    with refusal(UnsupportedError, "did you mean 'x86_64'", 4, tmp_path):
        delrec_compile.tune(network, "x86_65", db=tmp_path)


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
        assert "run the same command to continue" in err
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
