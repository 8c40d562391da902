"""`tune --device`: over TVM's tracker and server, and over ssh, both on loopback and real."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cases
import psutil
import pytest
from fixtures.command import cli
from fixtures.remote import Shell, free_port, listening
from fixtures.tuning import use
from helpers import refusal

import delrec_compile
from delrec_compile.compiler.schedules.store import Store, read
from delrec_compile.errors import CompilerCrash, DeviceError, UsageError
from delrec_compile.network import checkpoint
from delrec_compile.tuning import evaluator as evaluation
from delrec_compile.tuning import remote
from delrec_compile.tuning.evaluator import Evaluator
from delrec_compile.tuning.result import Limits

NAME = "conv3"
KEY = "here"
TRACKER = (
    "from delrec_compile.runners.devices.serve import tracker; tracker('127.0.0.1', {port}, print)"
)
SERVER = (
    "from delrec_compile.runners.devices.serve import server; "
    "server('here', ('127.0.0.1', {port}), '127.0.0.1', None, print, print)"
)


def started(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[bytes]) -> None:
    """The process and all that it started."""
    mine = psutil.Process(process.pid)
    for each in [*mine.children(recursive=True), mine]:
        each.kill()
    process.wait()


@pytest.fixture(scope="module")
def tracker() -> Iterator[int]:
    pytest.importorskip("tornado")
    port = free_port()
    process = started(TRACKER.format(port=port))
    try:
        listening(port, process)
        yield port
    finally:
        ended(process)


@pytest.fixture
def server(tracker: int) -> Iterator[psutil.Process]:
    from delrec_compile.runners.devices.rpc import keys, offered

    process = started(SERVER.format(port=tracker))
    end = time.monotonic() + 60
    try:
        while not any(k.free for k in keys("127.0.0.1", tracker)):
            assert time.monotonic() < end, "no server came"
            time.sleep(0.2)
        yield psutil.Process(process.pid)
    finally:
        ended(process)
        while offered("127.0.0.1", tracker, KEY):
            assert time.monotonic() < end + 60, "the tracker still offers a server that ended"
            time.sleep(0.05)


def url(port: int) -> str:
    return f"rpc://127.0.0.1:{port}/{KEY}?timeout=600"


def sessions(server: psutil.Process) -> list[psutil.Process]:
    """The processes in which code that was sent runs."""
    return [p for child in server.children() for p in child.children()] or server.children()


@pytest.fixture
def evaluator(place: Path, tracker: int, server: psutil.Process) -> Evaluator:
    return Evaluator(str(place), "x86_64", "x86-64", str(place / "samples.npz"), url(tracker))


def test_over_rpc(place: Path, tracker: int, server: psutil.Process, tmp_path: Path) -> None:
    samples, db = str(place / "samples.npz"), tmp_path / "db"
    line = ("tune", place / "network.safetensors", "--cpu", "x86-64", "-i", samples)
    done = cli(*line, "--device", url(tracker), "--trials", 3, "--db", db, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["unit"] == "us"
    assert told["how"].startswith(f"device (rpc://127.0.0.1:{tracker}/here")
    assert set(told["shipped"]["costs"]) == {"steps", "sequence"}
    assert told["trials"] == {"measured": 3, "known": 0, "failed": 0}
    (path,) = Store(db).files()
    trials = read(path).all("trial")
    assert all(t["costs"]["steps"] > 0 for t in trials)
    assert f"--device '{url(tracker)}'" in read(path).all("winner")[0]["command"]


def test_a_device_that_is_not_there(place: Path, tmp_path: Path) -> None:
    network, samples = cases.network(NAME), str(place / "samples.npz")
    gone = url(free_port())
    with refusal(DeviceError, "cannot be reached", 8, tmp_path):
        delrec_compile.tune(network, "x86_64", device=gone, samples=samples, db=tmp_path)
    with refusal(UsageError, "unknown kind of device; did you mean 'rpc'", 2, tmp_path):
        delrec_compile.tune(network, "x86_64", device="rcp://h/k", samples=samples, db=tmp_path)


def test_a_session_that_dies_once_costs_nothing(
    evaluator: Evaluator, server: psutil.Process
) -> None:
    own = dict(evaluator.shipped.artifact.manifest.schedule)
    assert evaluator.measure(own)["ratio"] > 0
    for process in sessions(server):
        process.kill()
    assert evaluator.measure(own)["ratio"] > 0
    assert evaluator.remote is not None
    assert evaluator.remote.sessions >= 2


def test_a_candidate_that_kills_its_server_is_one_failed_trial(
    evaluator: Evaluator, server: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = dict(evaluator.shipped.artifact.manifest.schedule)
    built: list[Any] = []
    build, trace = evaluator._build, remote.RemoteRunner.trace

    def building(schedule: Any) -> Any:
        built.append(schedule)
        return build(schedule)

    def deadly(self: Any, x: Any) -> Any:
        if built and built[-1]["registers"] == 16 and self is not evaluator.shipped.runner:
            built.append(own)
            for process in sessions(server):
                process.kill()
        return trace(self, x)

    monkeypatch.setattr(evaluator, "_build", building)
    monkeypatch.setattr(remote.RemoteRunner, "trace", deadly)
    with pytest.raises(CompilerCrash, match="it failed where it ran: rpc://"):
        evaluator.measure({**own, "registers": 16})
    monkeypatch.undo()
    assert evaluator.measure(own)["ratio"] > 0


def test_a_machine_that_goes_away_ends_the_run_and_blames_no_schedule(
    evaluator: Evaluator, server: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "BACK_S", 1.0)
    for process in [server, *server.children(recursive=True)]:
        process.kill()
    with pytest.raises(DeviceError, match="no machine has this key"):
        evaluator.measure(dict(evaluator.shipped.artifact.manifest.schedule))


def test_what_was_measured_before_a_device_went_away_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch, "GoneEvaluator")
    with pytest.raises(DeviceError, match="is gone"):
        delrec_compile.tune(
            cases.network(NAME), device="rpc://h/k", db=tmp_path, limits=Limits(None)
        )
    (path,) = Store(tmp_path).files()
    trials = read(path).all("trial")
    assert len(trials) == 3
    assert not any("error" in t for t in trials)


def test_a_session_that_ends_within_the_last_comparison_costs_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch, "LateEvaluator")
    options: dict[str, Any] = {"device": "rpc://h/k", "db": tmp_path, "limits": Limits(None)}
    assert delrec_compile.tune(cases.network(NAME), **options).best is not None


def test_the_length_of_a_session() -> None:
    assert remote.Remote("rpc://h/k").session_s == remote.SESSION_S
    assert remote.Remote("rpc://h/k?timeout=600").session_s == 600.0


def test_old_sessions_are_renewed(evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch) -> None:
    own = dict(evaluator.shipped.artifact.manifest.schedule)
    monkeypatch.setattr(remote, "YOUNG", 0.0)
    assert evaluator.remote is not None
    before = evaluator.remote.sessions
    assert evaluator.compare([own, own], rounds=2)[1]["ratio"] > 0
    assert evaluator.remote.sessions == before + 1


def test_wrong_bits_there_never_count(
    evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = evaluation.assemble

    def wrong(stage: str, *args: Any, **kw: Any) -> Any:
        network = cases._shift(cases.network(NAME), 0, 0.125)
        checkpoint.save(network, Path(stage) / "network.safetensors")
        return real(stage, *args, **kw)

    monkeypatch.setattr(evaluation, "assemble", wrong)
    with pytest.raises(delrec_compile.errors.ParityError, match="outputs or spikes differ"):
        evaluator.measure(dict(evaluator.shipped.artifact.manifest.schedule))


def test_over_ssh(place: Path, shell: Shell) -> None:
    evaluator = Evaluator(str(place), "x86_64", "x86-64", str(place / "samples.npz"), shell.url())
    facts = evaluator.describe()
    assert facts["how"].startswith("device (ssh://")
    assert set(facts["costs"]) == {"steps", "sequence"}
    found = evaluator.measure({**facts["space"]["shipped"], "registers": 16})
    assert found["costs"]["steps"] > 0
