"""The command's side of jobs at a Dask scheduler: its workers, and who does what."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import os
import secrets
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from delrec_compile.errors import DelrecError, DeviceError, ToolchainError
from delrec_compile.system.cluster_crew import Crew, connected, local_crew
from delrec_compile.system.cluster_worker import UnfitError, perform, refuse_unfit, versions
from delrec_compile.system.extras import install
from delrec_compile.system.folders import part_file
from delrec_compile.system.jobs import Done, Job, Place, Queue
from delrec_compile.system.process import value_of

if TYPE_CHECKING:
    from distributed import Future

POLL_S = 1.0
PACKAGES = ("distributed", "cryptography")
LOGGERS = ("distributed", "distributed.client")


def distributed_jobs(
    function: str, queue: Queue, place: Place, shared: Path | None
) -> Iterator[Done]:
    """The jobs of a queue as they end, at the workers of a place. Raises as `cluster.finished`."""
    for package in PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise ToolchainError(f"{package} is not installed; {install('cluster')}")
    with contextlib.ExitStack() as stack:
        stack.enter_context(_quiet())
        witness = stack.enter_context(_witness(shared)) if shared else None
        crew: Crew
        if place.address:
            crew = Crew(stack.enter_context(connected(place.address)), place.address)
        else:
            crew = stack.enter_context(local_crew(place.workers))
        queue.say("waiting for workers")
        crew.await_first()
        wanted = versions()
        for answer in crew.ask(refuse_unfit, wanted, witness):
            _raise_unfit(answer)
        fixed = {"wanted": wanted, "witness": witness, "topic": f"delrec-{secrets.token_hex(8)}"}
        yield from _Work(function, queue, crew, fixed).results()


class _Work:
    """Jobs on their way: no more than there are workers, so that none waits behind another."""

    def __init__(self, function: str, queue: Queue, crew: Crew, fixed: dict[str, Any]) -> None:
        self.function, self.queue, self.crew, self.fixed = function, queue, crew, fixed
        self.running: dict[Future, Job] = {}
        self.ended = threading.Event()  # a job has, perhaps
        self.told: deque[dict[str, Any]] = deque()  # filled by the client's own thread
        crew.client.subscribe_topic(fixed["topic"], lambda event: self.told.append(event[1]))

    def results(self) -> Iterator[Done]:
        while self.queue.waiting or self.running:
            workers = self.crew.count()
            if not workers:
                self.queue.say("waiting for workers")
            yield from self._submit(workers)
            self._wait()
            for future in [f for f in self.running if f.status != "pending"]:
                yield self.queue.end(self._done(self.running.pop(future), future))

    def _submit(self, workers: int) -> Iterator[Done]:
        """Submits what there are workers for; yields the jobs whose needs failed."""
        while len(self.running) < workers and (job := self.queue.take()):
            if error := self.queue.obstacle(job):
                yield self.queue.end(Done(job, error=error))
                continue
            key = f"{job.name}-{secrets.token_hex(4)}"
            call = (self.function, job.arguments)
            future = self.crew.client.submit(
                perform, *call, name=job.name, **self.fixed, key=key, pure=False
            )
            future.add_done_callback(lambda _: self.ended.set())
            self.running[future] = job

    def _wait(self) -> None:
        """Until a job ends, or a worker may have come or gone."""
        self.ended.wait(POLL_S)
        self.ended.clear()
        self._tell()

    def _done(self, job: Job, future: Future) -> Done:
        """What became of a job. Raises DeviceError where the scheduler or a worker fails."""
        from distributed import KilledWorker

        if future.status in ("cancelled", "lost"):
            raise self.crew.lost()
        error = future.exception() if future.status == "error" else None
        _raise_unfit(error)
        if isinstance(error, KilledWorker):
            text = (
                f"{job.name}: each of the workers that ran it died; look at their logs and memory"
            )
            return Done(job, error=DeviceError(text))
        if error is not None:
            raise error
        answer = future.result()
        future.release()
        if "error" not in answer:
            return Done(job, answer["value"])
        return Done(job, error=_error_of(answer))

    def _tell(self) -> None:
        """Passes on what jobs that still run have told."""
        running = {job.name for job in self.running.values()}
        while self.told:
            message = self.told.popleft()
            if message["name"] in running:
                self.queue.tell(message["name"], message["done"], message["text"])


def _error_of(answer: Mapping[str, Any]) -> DelrecError | None:
    """The error that an answer holds."""
    try:
        value_of(dict(answer))
    except DelrecError as error:
        return error
    return None


def _raise_unfit(answer: object) -> None:
    """Raises DeviceError where the answer is that of a worker on which nothing can run."""
    if isinstance(answer, UnfitError):
        raise DeviceError(answer)
    if isinstance(answer, ModuleNotFoundError):
        raise DeviceError(
            f"a worker cannot import what this machine can ({answer}); install the same package there"
        )


@contextlib.contextmanager
def _witness(folder: Path) -> Iterator[str]:
    """A file that a worker sees if it sees the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path, handle = part_file(folder.absolute() / "shared")
    try:
        yield str(path)
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Dask's own lines about workers that come and go do not reach the terminal."""
    importlib.import_module("distributed")  # which sets the levels
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
