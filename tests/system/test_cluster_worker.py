"""The worker's side of a job: what it refuses, and when it stops."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import distributed
import pytest
from fixtures.cluster import count
from helpers import refusal

from delrec_compile.errors import DeviceError
from delrec_compile.system import cluster_worker
from delrec_compile.system.cluster_worker import AbandonedError, perform, refuse_unfit, versions


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What a job sees of the worker that runs it."""
    told: list[Any] = []
    fake = SimpleNamespace(
        address="tcp://here:1",
        state=SimpleNamespace(tasks={"key": SimpleNamespace(state="executing")}),
        get_current_task=lambda: "key",
        log_event=lambda topic, message: told.append((topic, message)),
        told=told,
    )
    monkeypatch.setattr(distributed, "get_worker", lambda: fake)
    return fake


def called(function: Any, parts: int = 2) -> dict[str, Any]:
    fixed = {"name": "a", "topic": "t", "wanted": versions(), "witness": None}
    return perform(f"fixtures.cluster:{function.__name__}", {"parts": parts}, **fixed)


def test_a_job_tells_its_parts_and_returns_its_value(worker: SimpleNamespace) -> None:
    assert called(count)["value"]["parts"] == 2
    assert worker.told[1] == ("t", {"name": "a", "done": 2, "text": "part 2"})


def test_a_job_that_nobody_waits_for_stops_at_its_next_part(worker: SimpleNamespace) -> None:
    worker.state.tasks["key"].state = "cancelled"
    with pytest.raises(AbandonedError):
        called(count)
    worker.state.tasks.clear()
    with pytest.raises(AbandonedError):
        called(count)
    assert worker.told == []
    assert not cluster_worker.ONE.locked()


def test_what_does_not_fit_is_named(worker: SimpleNamespace, tmp_path: Path) -> None:
    mine = versions()
    assert set(mine) == {"delrec-compile", "Python", *cluster_worker.PACKAGES}
    refuse_unfit(mine, str(Path(__file__)))
    with refusal(DeviceError, "the worker at tcp://here:1 has numpy .*, this machine 1.0", 8):
        refuse_unfit({**mine, "numpy": "1.0"}, None)
    with refusal(DeviceError, f"does not see {tmp_path} of this machine; use a folder", 8):
        refuse_unfit(mine, str(tmp_path / "no"))
