"""Jobs at a scheduler and workers in processes of their own, and what is missing there."""

from __future__ import annotations

import contextlib
import importlib.util
import threading
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from fixtures.cluster import scheduler
from helpers import refusal

from delrec_compile.errors import DeviceError, ToolchainError, UsageError
from delrec_compile.system import cluster_client, cluster_crew, cluster_worker
from delrec_compile.system.cluster import finished
from delrec_compile.system.jobs import Done, Job, Place

Cluster = tuple[str, list[Popen[bytes]]]
COUNT = "fixtures.cluster:count"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and one worker."""
    with scheduler(tmp_path_factory.mktemp("cluster"), 1) as made:
        yield made


def ended(address: str, function: str, *jobs: Job, **options: Any) -> list[Done]:
    return list(finished(function, jobs, Place(address=address), **options))


def test_jobs_run_at_the_workers_of_a_scheduler(cluster: Cluster, tmp_path: Path) -> None:
    address, (_, worker) = cluster
    said: list[tuple[int, int, str]] = []
    jobs = [Job(name, {"parts": 3}, 3) for name in ("a", "b")]
    done = ended(address, COUNT, *jobs, shared=tmp_path, progress=lambda *step: said.append(step))
    assert [d.value["pid"] for d in done] == [worker.pid] * 2
    assert [d.job.name for d in done] == ["a", "b"]
    assert said[0] == (0, 6, "waiting for workers")
    assert said[-1][:2] == (6, 6)
    assert list(tmp_path.iterdir()) == []


def test_errors_of_jobs_come_back(cluster: Cluster) -> None:
    (done,) = ended(cluster[0], "fixtures.cluster:refuse", Job("a", {}))
    assert isinstance(done.error, UsageError)
    assert str(done.error) == "no such thing"
    with pytest.raises(RuntimeError, match="a fault"):
        ended(cluster[0], "fixtures.cluster:fail", Job("a", {}))


def test_a_worker_is_free_again_after_an_interrupted_command(
    cluster: Cluster, tmp_path: Path
) -> None:
    log = tmp_path / "log"

    def interrupt(done: int, _total: int, _text: str) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ended(
            cluster[0],
            "fixtures.cluster:tick",
            Job("a", {"log": str(log)}, 300),
            progress=interrupt,
        )
    (done,) = ended(cluster[0], COUNT, Job("b", {"parts": 1}))
    assert done.value["parts"] == 1
    assert len(log.read_text()) < 300


def test_a_worker_without_the_code_of_a_job_is_named(cluster: Cluster) -> None:
    message = "a worker cannot import what this machine can .No module named 'nosuch'.; install"
    with refusal(DeviceError, message, 8):
        ended(cluster[0], "nosuch:function", Job("a", {}))


def test_workers_of_other_versions_or_without_the_folder_are_refused(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = cluster_worker.versions()
    monkeypatch.setattr(cluster_client, "versions", lambda: {**mine, "torch": "1.0"})
    message = r"the worker at tcp://127.0.0.1:\d+ has torch .*, this machine 1.0; install the same"
    with refusal(DeviceError, message, 8):
        ended(cluster[0], COUNT, Job("a", {"parts": 1}))
    monkeypatch.undo()
    elsewhere = str(tmp_path / "elsewhere" / "file")
    monkeypatch.setattr(cluster_client, "_witness", lambda _: contextlib.nullcontext(elsewhere))
    with refusal(DeviceError, "does not see .*/elsewhere of this machine; use a folder", 8):
        ended(cluster[0], COUNT, Job("a", {"parts": 1}), shared=tmp_path)


def test_a_scheduler_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_crew, "CONNECT_S", 0.5)
    message = r"no scheduler answers at tcp://127.0.0.1:1 \(.*\); start one: dask scheduler"
    with refusal(DeviceError, message, 8):
        ended("tcp://127.0.0.1:1", COUNT, Job("a", {"parts": 1}))


def test_without_dask_the_line_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with refusal(ToolchainError, r"distributed is not installed; pip install .*\[cluster\]", 5):
        ended("tcp://127.0.0.1:1", COUNT, Job("a", {"parts": 1}))


def test_a_scheduler_without_workers_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_crew.Crew, "patience_s", 0.5)
    with (
        scheduler(tmp_path, 0) as (address, _),
        refusal(DeviceError, f"{address} has no workers; start some: dask worker", 8),
    ):
        ended(address, COUNT, Job("a", {"parts": 1}))


def test_a_scheduler_that_dies_is_one_line(tmp_path: Path) -> None:
    never = {"place": str(tmp_path), "name": "a", "others": ["never"]}
    with scheduler(tmp_path, 1) as (address, (process, _)):
        threading.Timer(2.0, process.kill).start()
        with refusal(
            DeviceError, "does not answer any more; what is done is kept: run the same", 8
        ):
            ended(address, "fixtures.cluster:meet", Job("a", never))
