"""Places of jobs, and the queue that they wait in."""

from __future__ import annotations

import pytest
from helpers import refusal

from delrec_compile.errors import UsageError
from delrec_compile.system.jobs import HERE, Done, Job, Place, Queue


def test_a_place_is_here_or_elsewhere() -> None:
    assert HERE.is_here
    for place in (Place(2), Place(address="tcp://10.0.0.1:8786"), Place(address="tls://[::1]:1")):
        assert not place.is_here


@pytest.mark.parametrize(
    ("workers", "address", "message"),
    [
        (0, "", "workers is 0; at least 1 is required"),
        (1, "host:8786", "host:8786 is not the address of a scheduler; write tcp://host:port"),
        (1, "http://host:8786", "is not the address"),
        (1, "tcp://host", "is not the address"),
        (2, "tcp://host:1", "only one of them"),
    ],
)
def test_a_place_that_cannot_be_is_refused(workers: int, address: str, message: str) -> None:
    with refusal(UsageError, message, 2):
        Place(workers, address)


def test_jobs_start_in_order_after_those_that_they_need() -> None:
    jobs = [Job("a", {}, 2), Job("b", {}, 2, ("a",)), Job("c", {})]
    said: list[tuple[int, int, str]] = []
    queue = Queue(list(jobs), lambda *step: said.append(step))
    assert [queue.take(), queue.take(), queue.take()] == [jobs[0], jobs[2], None]
    queue.tell("a", 1, "half")
    failed = UsageError("no such thing")
    queue.end(Done(jobs[0], error=failed))
    assert queue.take() is jobs[1]
    assert queue.obstacle(jobs[1]) is failed
    assert queue.obstacle(jobs[2]) is None
    queue.end(Done(jobs[2], value=3))
    assert said == [(1, 5, "a: half"), (2, 5, "a: no such thing"), (3, 5, "c: done")]
