"""Workers that a command starts itself: what they do, and that none is left."""

from __future__ import annotations

import os
from pathlib import Path

import dask
import psutil
import pytest
from distributed.security import Security
from fixtures.cluster import marked
from fixtures.processes import gone

from delrec_compile.errors import DeviceError
from delrec_compile.system import cluster_crew
from delrec_compile.system.cluster import finished
from delrec_compile.system.jobs import Done, Job, Place

MARK = "DELREC_TEST_CREW"


def ended(function: str, jobs: list[Job], workers: int = 2) -> dict[str, Done]:
    return {done.job.name: done for done in finished(function, jobs, Place(workers))}


def test_two_workers_work_at_the_same_time_and_are_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MARK, tmp_path.name)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    names = ["a", "b"]
    meet = [Job(n, {"place": str(tmp_path), "name": n, "others": names}) for n in names]
    jobs = [*meet, Job("c", {"place": str(tmp_path), "name": "c", "others": []}, after=("a", "b"))]
    alive: list[int] = []
    order = []
    for done in finished("fixtures.cluster:meet", jobs, Place(2)):
        order.append(done.value)
        alive += [pid for pid in marked(f"{MARK}={tmp_path.name}") if pid != os.getpid()]
    assert sorted(order[:2]) == names
    assert order[2] == "c"
    assert alive
    assert all(os.getsid(0) != pid for pid in alive)
    assert all(gone(pid) for pid in alive)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "c"]


def test_a_job_that_ends_its_workers_is_an_error_and_the_others_go_on(tmp_path: Path) -> None:
    log = tmp_path / "log"
    jobs = [Job("bad", {"log": str(log)}), Job("needs it", {"log": str(log)}, after=("bad",))]
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}):
        done = ended("fixtures.cluster:die", jobs, workers=2)
    assert isinstance(done["bad"].error, DeviceError)
    assert "bad: each of the workers that ran it died" in str(done["bad"].error)
    assert done["needs it"].error is done["bad"].error
    assert len(set(log.read_text().split())) == 2


def test_workers_that_die_on_and_on_end_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_crew, "BOOT", "import sys; sys.exit('no such package')")
    monkeypatch.setattr(cluster_crew, "RESTARTS", 2)
    with pytest.raises(DeviceError, match=r"a worker died with exit code 1 .no such package"):
        ended("fixtures.cluster:count", [Job("a", {"parts": 1})])


def test_nobody_else_reaches_the_workers_of_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_crew, "CONNECT_S", 2.0)
    with cluster_crew.local_crew(1) as crew:
        crew.await_first()
        (worker,) = (group.process.pid for group in crew.groups)
        for pid in (worker, os.getpid()):
            listening = [c for c in psutil.Process(pid).net_connections() if c.status == "LISTEN"]
            assert listening
            assert {c.laddr.ip for c in listening} == {"127.0.0.1"}
        plain = crew.address.replace("tls", "tcp")
        for address, keys in ((plain, None), (crew.address, Security.temporary())):
            with (
                pytest.raises(DeviceError, match="no scheduler answers at"),
                cluster_crew.connected(address, keys),
            ):
                pass
        assert crew.count() == 1
