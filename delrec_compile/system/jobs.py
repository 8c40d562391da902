"""Jobs, where they run, and the queue that they wait in."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from delrec_compile.aliases import StageProgress
from delrec_compile.errors import DelrecError, UsageError

ADDRESS = re.compile(r"(tcp|tls)://[^\s/:]+:\d{1,5}|(tcp|tls)://\[[0-9a-fA-F:.]+\]:\d{1,5}")
Tell = Callable[[int, str], None]  # so many parts of a job are done, and what was done


@dataclass(frozen=True)
class Place:
    """Where jobs run. Raises UsageError for a place that cannot be.

    workers: processes of this machine; 1: this process. address: of a scheduler, or empty.
    """

    workers: int = 1
    address: str = ""

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise UsageError(f"workers is {self.workers}; at least 1 is required")
        if self.address and not ADDRESS.fullmatch(self.address):
            raise UsageError(
                f"{self.address} is not the address of a scheduler; write tcp://host:port, or "
                "tls://host:port"
            )
        if self.address and self.workers > 1:
            raise UsageError(
                "a number of workers and the address of a scheduler: only one of them, as the "
                "scheduler has workers of its own"
            )

    @property
    def is_here(self) -> bool:
        """Whether jobs run in this process, one after the other."""
        return self.workers == 1 and not self.address


HERE = Place()


@dataclass(frozen=True)
class Job:
    """A call. parts: of its progress, such as epochs. after: names of jobs that it needs the end of."""

    name: str
    arguments: dict[str, Any]
    parts: int = 1
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Done:
    """A job that has ended: its value, or the error that it raised."""

    job: Job
    value: Any = None
    error: DelrecError | None = None


@dataclass
class Queue:
    """Jobs that wait, in order, and the progress of all."""

    waiting: list[Job]
    progress: StageProgress
    ended: dict[str, DelrecError | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.parts = {job.name: job.parts for job in self.waiting}
        assert len(self.parts) == len(self.waiting), "two jobs of one name"
        self.counted = dict.fromkeys(self.parts, 0)

    def take(self) -> Job | None:
        """The first job whose needs have ended, which no longer waits."""
        for job in self.waiting:
            if all(name in self.ended for name in job.after):
                self.waiting.remove(job)
                return job
        return None

    def obstacle(self, job: Job) -> DelrecError | None:
        """The error of a job that this one needs."""
        return next((e for name in job.after if (e := self.ended[name])), None)

    def tell(self, name: str, done: int, text: str) -> None:
        """Notes that so many parts of a job are done."""
        self.counted[name] = min(done, self.parts[name])
        self.say(f"{name}: {text}")

    def say(self, text: str) -> None:
        """Tells the progress of all jobs."""
        self.progress(sum(self.counted.values()), sum(self.parts.values()), text)

    def end(self, done: Done) -> Done:
        """Notes that a job has ended; the same."""
        name = done.job.name
        self.ended[name] = done.error
        if done.error or self.counted[name] < self.parts[name]:
            self.counted[name] = self.parts[name]
            self.say(f"{name}: {done.error or 'done'}")
        return done
