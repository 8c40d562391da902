"""`python -m benchmarks.cluster`: what it counts, and who measures."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import delrec_compile
from benchmarks import cluster


def test_runs_take_turns_and_start_up_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A clock that takes 100 s to start, and 3 s for a trial, or 2 s where two servers measure."""
    asked: list[tuple[int, bool]] = []
    now = [0.0]

    @contextlib.contextmanager
    def servers(count: int) -> Iterator[str]:
        asked.append((count, False))
        yield "rpc://here/cluster"

    def tune(_network: Any, *, device: str, cluster: bool, progress: Any, **_: Any) -> Any:
        assert device == "rpc://here/cluster"
        asked[-1] = (asked[-1][0], cluster)
        now[0] += 100
        for done in range(1, 5):
            now[0] += 2 if cluster else 3
            progress(done, 4, "")
        progress(4, 4, "measuring the best side by side")
        return SimpleNamespace(devices={"here:1": 4})

    monkeypatch.setattr(cluster, "cluster", servers)
    monkeypatch.setattr(cluster.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(delrec_compile, "tune", tune, raising=False)
    assert cluster.main(["--trials", "4", "--rounds", "2"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert asked == [(2, True), (1, False), (1, False), (2, True)]
    assert [row["seconds_per_trial"] for row in told["runs"]] == [2.0, 3.0, 3.0, 2.0]
    assert told["times_as_fast"] == 1.5
