"""Jobs in this process, in several of this machine, or at the workers of a Dask scheduler.

A job calls `module:function(tell, **arguments)`; by tell(done, text) it says how many of its parts are
done. A job whose worker is lost is called again elsewhere; what it then finds on disk is its own affair.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from delrec_compile.aliases import StageProgress
from delrec_compile.errors import DelrecError
from delrec_compile.system.cluster_client import distributed_jobs
from delrec_compile.system.jobs import HERE, Done, Job, Place, Queue
from delrec_compile.system.process import resolve


def finished(
    function: str,
    jobs: Sequence[Job],
    place: Place = HERE,
    progress: StageProgress = lambda _done, _total, _text: None,
    shared: Path | None = None,
) -> Generator[Done, None, None]:
    """The jobs as they end. They start in their order, each after those that it needs.

    shared: a folder that every worker must see. progress(done, total, text) counts parts of all jobs.
    A DelrecError of a job is its result, and that of the jobs that need it; other errors are raised.
    Raises ToolchainError without Dask, DeviceError where the scheduler or fitting workers are missing.
    """
    queue = Queue(list(jobs), progress)
    if not queue.waiting:
        return
    if place.is_here:
        yield from _one_by_one(function, queue)
        return
    yield from distributed_jobs(function, queue, place, shared)


def _one_by_one(function: str, queue: Queue) -> Iterator[Done]:
    call = resolve(function)
    while job := queue.take():
        yield queue.end(_called(call, job, queue))


def _called(call: Callable[..., Any], job: Job, queue: Queue) -> Done:
    if error := queue.obstacle(job):
        return Done(job, error=error)
    name = job.name
    try:
        return Done(job, call(lambda done, text: queue.tell(name, done, text), **job.arguments))
    except DelrecError as error:
        return Done(job, error=error)
