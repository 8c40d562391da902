"""The evaluators of a run: one, several emulators, or one for each machine of a cluster.

Each lives in a child process, see `evaluator`, and measures one schedule at a time. One whose machine
is gone leaves the pool, and its schedule is measured by another; machines that come to a cluster join
it before the next proposals are measured.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from delrec_compile.compiler.schedules.record import Costs, Measurement, Trial
from delrec_compile.compiler.schedules.store import Key
from delrec_compile.errors import CompilerCrash, DelrecError, DeviceError
from delrec_compile.system.worker import Worker
from delrec_compile.targets.schedule import Schedule
from delrec_compile.tuning.space import Candidate, Space, space_of

FIRST_S, TRIAL_S = 600.0, 120.0
MOST_LOSSES = 2  # machines that one schedule may cost: then it is to blame


@dataclass(frozen=True)
class Setup:
    """An evaluator's report before the first trial.

    seeds: exported winners for the same key. costs: the shipped schedule's. unit, how: as in Trial.
    """

    key: Key
    space: Space
    seeds: tuple[Candidate, ...]
    costs: Costs
    unit: str
    how: str

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Setup:
        key = Key.from_json(values["key"])
        space = space_of(**values["space"], numeric=key.numeric)
        seeds, costs = tuple(values["seeds"]), dict(values["costs"])
        return cls(key, space, seeds, costs, values["unit"], values["how"])


@dataclass(eq=False)
class Member:
    """An evaluator. place: its machine; empty where it is this one. ready: it described itself."""

    worker: Worker
    place: str = ""
    ready: bool = False

    def describe(self) -> dict[str, Any]:
        told: dict[str, Any] = self.worker.call("describe", timeout_s=FIRST_S)
        self.place, self.ready = told.get("place", ""), True
        return told

    def measure(self, schedule: Schedule, setup: Setup) -> Trial:
        """One trial; a refusal, a crash or a time-out is a trial too.

        Raises DeviceError for a device that is gone, which no schedule is to blame for.
        """
        if not self.ready:
            self.describe()
        start = time.monotonic()
        measurement, failure = None, ""
        try:
            result = self.worker.call("measure", schedule=vars(schedule), timeout_s=TRIAL_S)
            measurement = Measurement.from_json({"schedule": vars(schedule), **result})
            self.place = result.get("place", "")
        except DeviceError:
            raise
        except DelrecError as error:
            failure = f"{type(error).__name__}: {error}"
        seconds = round(time.monotonic() - start, 3)
        return Trial(schedule, setup.unit, setup.how, seconds, measurement, failure)


class Pool:
    """Evaluators that measure at the same time. make: a new one. size: their number at the start.

    free: the number of machines that more of them would find. Closes as a context manager.
    trials: number of those measured, by the name of the machine.
    """

    def __init__(
        self, make: Callable[[], Worker], size: int = 1, free: Callable[[], int] = lambda: 0
    ) -> None:
        self.make, self.free = make, free
        self.members = [Member(make()) for _ in range(size)]
        self.trials: Counter[str] = Counter()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the evaluators."""
        for member in self.members:
            member.worker.close()

    def describe(self) -> Setup:
        """The setup of the run, by the first evaluator."""
        return Setup.from_json(self.members[0].describe())

    def measure(
        self,
        schedules: Sequence[Schedule],
        setup: Setup,
        go_on: Callable[[], bool],
        record: Callable[[Trial], None],
        tell: Callable[[str], None],
    ) -> None:
        """Measures schedules, each on the first machine that is free, and records each trial at once.

        go_on: asked before a trial begins. tell: takes news of the machines. An interrupt ends the
        evaluators. Raises DeviceError where the last machine is gone.
        """
        self._join()
        idle, waiting = deque(self.members), deque(schedules)
        running: dict[Future[Trial], tuple[Member, Schedule]] = {}
        losses: Counter[Schedule] = Counter()
        threads = ThreadPoolExecutor(len(idle))
        try:
            while True:
                while idle and waiting and go_on():
                    member, schedule = idle.popleft(), waiting.popleft()
                    running[threads.submit(member.measure, schedule, setup)] = member, schedule
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    member, schedule = running.pop(future)
                    try:
                        trial = future.result()
                    except DeviceError as error:
                        self._lose(member, error, tell)
                        losses[schedule] += 1
                        if losses[schedule] < MOST_LOSSES:
                            waiting.appendleft(schedule)
                        else:
                            record(_blamed(schedule, setup, error))
                        continue
                    idle.append(member)
                    self.trials += Counter({member.place: 1} if member.place else {})
                    record(trial)
        except BaseException:
            self.close()
            raise
        finally:
            threads.shutdown()

    def compare(self, schedules: Sequence[Schedule], rounds: int) -> list[Measurement]:
        """Schedules side by side on one machine; once more where a session there came to its end
        meanwhile, and on another machine where this one is gone.
        """
        candidates = [vars(schedule) for schedule in schedules]
        options: dict[str, Any] = {"schedules": candidates, "rounds": rounds, "timeout_s": FIRST_S}
        while True:
            member = self.members[0]
            with contextlib.suppress(DeviceError):  # the next session is new
                return _measurements(candidates, member.worker.call("compare", **options))
            try:
                return _measurements(candidates, member.worker.call("compare", **options))
            except DeviceError as error:
                self._lose(member, error, lambda _: None)

    def _join(self) -> None:
        """Adds an evaluator for each machine that is free, beside those that still look for one."""
        with contextlib.suppress(DeviceError):
            new = self.free() - sum(not member.ready for member in self.members)
            self.members += [Member(self.make()) for _ in range(new)]

    def _lose(self, member: Member, error: DeviceError, tell: Callable[[str], None]) -> None:
        """Raises the error where no other member is left."""
        if len(self.members) == 1:
            raise error
        member.worker.close()
        self.members.remove(member)
        tell(f"{member.place or 'a machine'} is gone; its trial is measured again elsewhere")


def _blamed(schedule: Schedule, setup: Setup, error: DeviceError) -> Trial:
    """A failed trial, of a schedule with which several machines were lost."""
    failure = f"{CompilerCrash.__name__}: it failed where it ran, {MOST_LOSSES} times: {error}"
    return Trial(schedule, setup.unit, setup.how, error=failure)


def _measurements(candidates: list[Candidate], results: Any) -> list[Measurement]:
    return [
        Measurement.from_json({"schedule": candidate, **result})
        for candidate, result in zip(candidates, results, strict=True)
    ]
