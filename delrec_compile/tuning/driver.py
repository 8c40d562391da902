"""One run of `tune`: proposed schedules are measured and recorded; the best meet the shipped one.

It lives in the command's own process, with the store, the limits and the progress. TVM and the
candidates live in two kinds of child processes, see `search` and `pool`; the death of one costs one
trial.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from delrec_compile.aliases import StageProgress
from delrec_compile.compiler.schedules.record import MICROSECONDS, Measurement, Trial, Winner
from delrec_compile.compiler.schedules.store import TRIAL, WINNER, Store
from delrec_compile.errors import CompilerCrash, ParityError
from delrec_compile.system.worker import Worker
from delrec_compile.targets.schedule import Schedule
from delrec_compile.tuning.pool import Pool, Setup
from delrec_compile.tuning.result import Limits, Tuned
from delrec_compile.tuning.space import Candidate, Space

SEARCH = "delrec_compile.tuning.search:Search"
FINALISTS, ROUNDS = 4, 45


@dataclass(frozen=True)
class Threshold:
    """The requirements for a finalist to win: a ratio below `ratio`, `wins` of the rounds or more, and
    no form of call slower than `slowest` times the shipped schedule."""

    ratio: float
    wins: float
    slowest: float


TIMED = Threshold(ratio=0.98, wins=0.75, slowest=1.01)  # times are noisy
COUNTED = Threshold(ratio=1.0, wins=1.0, slowest=1.0)  # instructions are exact


class Run:
    """One run of `tune`: proposals, trials, records, progress, the final."""

    setup: Setup

    def __init__(
        self, pool: Pool, store: Store, limits: Limits, command: str, progress: StageProgress
    ) -> None:
        self.pool, self.store, self.limits = pool, store, limits
        self.command, self.progress = command, progress
        self.start = time.monotonic()
        self.ratios: dict[Schedule, float | None] = {}  # of every schedule tried; None: it failed
        self.size = self.before = self.measured = self.failed = 0

    def tune(self) -> Tuned:
        """Searches until a limit is reached or the space is exhausted."""
        self.progress(0, 0, "building and checking the shipped schedule")
        self.setup = setup = self.pool.describe()
        self.size = setup.space.size
        path = self.store.path(setup.key)
        damaged = self.store.repair(path, setup.key) if path.exists() else 0
        if damaged:
            self._report(f"{damaged} damaged lines of the store went into quarantine")
        self.ratios = known_ratios(self.store.read(setup.key).trials, setup.space, setup.how)
        self.before = len(self.ratios)
        first = [setup.space.shipped, setup.space.untuned, *setup.seeds]
        self._measure([c for c in first if c and setup.space.index(c) is not None])
        return self._finish(self._search())

    def _search(self) -> str:
        """Measures proposals until there are none, or a limit is reached; returns which."""
        arguments = {**asdict(self.setup.space), "workload": self.setup.key.digest}
        with Worker(SEARCH, **arguments) as search:
            candidates = [vars(schedule) for schedule in self.ratios]
            search.call("learn", candidates=candidates, ratios=list(self.ratios.values()))
            while True:
                proposed = search.call("propose")
                if not proposed:
                    return "every schedule is measured"
                ended = self._measure(proposed)
                if ended:
                    return ended
                search.call("report", ratios=[self.ratios[Schedule(**c)] for c in proposed])

    def _measure(self, candidates: Sequence[Candidate]) -> str:
        """Measures the candidates not tried before; returns the limit reached, or nothing."""
        schedules = dict.fromkeys(Schedule(**c) for c in candidates)
        new = [schedule for schedule in schedules if schedule not in self.ratios]
        allowed = new
        if self.limits.trials is not None:
            allowed = new[: self.limits.trials - self.measured]

        def go_on() -> bool:
            return not self._limit_reached()

        self.pool.measure(allowed, self.setup, go_on, self._record, self._report)
        return "" if all(s in self.ratios for s in new) else self._limit_reached()

    def _record(self, trial: Trial) -> None:
        self.store.append(self.setup.key, {TRIAL: trial.to_json()})
        self.ratios[trial.schedule] = trial.ratio
        self.measured += 1
        self.failed += trial.measurement is None
        self._report()

    def _limit_reached(self) -> str:
        left = self._seconds_left()
        if left is not None and left <= 0:
            return f"{self.limits.minutes:g} minutes are over"
        if self.limits.trials is not None and self.measured >= self.limits.trials:
            return f"{self.limits.trials} trials are done"
        return ""

    def _seconds_left(self) -> float | None:
        if self.limits.minutes is None:
            return None
        return self.limits.minutes * 60 - (time.monotonic() - self.start)

    def _report(self, text: str = "") -> None:
        """Shows how far the run is. text: in place of the best ratio."""
        ratios = [r for r in self.ratios.values() if r is not None]
        best = f"best {1 / min(ratios):.2f}x of shipped" if ratios else "nothing measured yet"
        left = self._seconds_left()
        rest = "" if left is None else f", {max(0, left) / 60:.1f} min left"
        total = self.size
        if self.limits.trials is not None:
            total = min(total, self.before + self.limits.trials)
        places = "".join(f", {n} on {place}" for place, n in sorted(self.pool.trials.items()))
        told = text or f"{best}, {self.failed} failed{rest}{places}"
        self.progress(len(self.ratios), total, told)

    def _finish(self, ended: str) -> Tuned:
        """Compares the best schedules with the shipped one side by side; the winner is recorded."""
        self._report("measuring the best side by side with the shipped schedule")
        setup = self.setup
        own = Schedule(**setup.space.shipped)
        shipped = Measurement(own, setup.costs, dict.fromkeys(setup.costs, 1.0), 1.0)
        finalists = self._final()
        best = min(filter(self._wins, finalists), key=lambda m: m.ratio, default=shipped)
        # the costs of the shipped schedule as they were when it met the best one
        costs = {form: cost / best.ratios[form] for form, cost in best.costs.items()}
        shipped = Measurement(own, costs, shipped.ratios, 1.0)
        if best.schedule == own:
            best = shipped
        winner = Winner(
            schedule=best.schedule,
            shipped=own,
            ratio=best.ratio,
            unit=setup.unit,
            how=setup.how,
            costs=best.costs,
            shipped_costs=shipped.costs,
            ratios=best.ratios,
            command=self.command,
        )
        self.store.append(setup.key, {WINNER: winner.to_json()})
        plain = setup.space.untuned
        untuned = next((m for m in finalists if vars(m.schedule) == plain), None)
        return self._result(shipped, best, shipped if plain == vars(own) else untuned, ended)

    def _result(
        self, shipped: Measurement, best: Measurement, untuned: Measurement | None, ended: str
    ) -> Tuned:
        key = self.setup.key
        return Tuned(
            target=key.target,
            cpu=key.cpu,
            numeric=key.numeric,
            how=self.setup.how,
            unit=self.setup.unit,
            shipped=shipped,
            best=best,
            untuned=untuned,
            trials={"measured": self.measured, "known": self.before, "failed": self.failed},
            space=dict(self.setup.space.knobs),
            size=self.size,
            ended=ended,
            seconds=time.monotonic() - self.start,
            store=str(self.store.path(key)),
            devices=dict(sorted(self.pool.trials.items())),
        )

    def _final(self) -> list[Measurement]:
        """The best schedules, and the untuned one, measured once more."""
        tried = [(ratio, vars(s)) for s, ratio in self.ratios.items() if ratio is not None]
        good = sorted((t for t in tried if t[0] < 1), key=lambda t: (t[0], sorted(t[1].items())))
        finalists = [Schedule(**values) for _, values in good[:FINALISTS]]
        space = self.setup.space
        untuned = Schedule(**space.untuned) if space.untuned else None
        if untuned and untuned not in (*finalists, Schedule(**space.shipped)):
            finalists += [untuned] if self.ratios.get(untuned) else []
        return self._side_by_side(finalists)

    def _side_by_side(self, schedules: list[Schedule]) -> list[Measurement]:
        if not schedules:
            return []
        try:
            return self.pool.compare(schedules, ROUNDS)
        except (CompilerCrash, ParityError):  # of one of them: the others are measured without it
            alone = schedules if len(schedules) > 1 else []
            return [m for schedule in alone for m in self._side_by_side([schedule])]

    def _wins(self, finalist: Measurement) -> bool:
        need = TIMED if self.setup.unit == MICROSECONDS else COUNTED
        faster = finalist.ratio < need.ratio and (finalist.wins or 0.0) >= need.wins
        return faster and max(finalist.ratios.values()) <= need.slowest


def known_ratios(trials: Sequence[Trial], space: Space, how: str) -> dict[Schedule, float | None]:
    """Ratios by schedule, of trials measured in the same way; None of failures. The last counts."""
    return {
        trial.schedule: trial.ratio
        for trial in trials
        if trial.how == how and space.index(vars(trial.schedule)) is not None
    }
