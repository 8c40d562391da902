"""Jobs of a queue in this process."""

from __future__ import annotations

import os

import pytest

from delrec_compile.errors import UsageError
from delrec_compile.system.cluster import finished
from delrec_compile.system.jobs import Job


def test_without_workers_jobs_run_here_one_after_the_other() -> None:
    jobs = [Job(name, {"parts": 2}, 2) for name in ("a", "b")]
    said: list[tuple[int, int, str]] = []
    ended = finished("fixtures.cluster:count", jobs, progress=lambda *step: said.append(step))
    assert [done.value["pid"] for done in ended] == [os.getpid()] * 2
    assert [step[:2] for step in said] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [step[2] for step in said[1:3]] == ["a: part 2", "b: part 1"]
    assert list(finished("fixtures.cluster:count", [])) == []


def test_an_error_is_a_result_also_of_the_jobs_that_need_it() -> None:
    jobs = [Job("a", {}), Job("b", {}, after=("a",))]
    one, other = finished("fixtures.cluster:refuse", jobs)
    assert isinstance(one.error, UsageError)
    assert other.error is one.error
    with pytest.raises(RuntimeError, match="a fault"):
        list(finished("fixtures.cluster:fail", jobs))
