"""One run of `tune`: what is proposed is measured and recorded, and the best meet what is shipped.

It lives in the command's own process, with the store, the limits and the progress; TVM and
candidates live in two kinds of warm children, whose death costs one trial (`tuning_search`,
`tuning_lab`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from delrec_compile.errors import DelrecError, UsageError
from delrec_compile.tuning_space import Point, Space, space_of
from delrec_compile.tuning_store import Key, Store
from delrec_compile.warm import Warm

SEARCH = "delrec_compile.tuning_search:Search"
MINUTES = 10.0
FIRST_S, POINT_S = 600.0, 120.0
FINALISTS, ROUNDS = 4, 45
# natively a winner must be this much faster, and in so many of the rounds, and no form of it may be
# slower but by noise; instructions are exact
GAIN, WINS, NO_WORSE = 0.98, 0.75, 1.01
Progress = Callable[[int, int, str], None]
Frozen = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Tuned:
    """What a run of `tune` found.

    shipped, best: a `schedule`, and its `costs` per step by form: `steps` one after the other, and
    natively also `sequence`, many in one call. unit: `us` or `instructions`. speedup: shipped over
    best, the geometric mean of the forms; 1.0 where nothing beats what is shipped. trials: measured
    now, known from before, failed now. space: the values of each choice that were searched; size:
    schedules in it.
    """

    target: str
    cpu: str
    numeric: str
    how: str
    unit: str
    shipped: dict[str, Any]
    best: dict[str, Any]
    speedup: float
    trials: dict[str, int]
    space: dict[str, Any]
    size: int
    ended: str
    seconds: float
    store: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Limits:
    """When to stop: minutes in all, and trials measured now; None: no limit."""

    minutes: float | None = MINUTES
    trials: int | None = None

    def __post_init__(self) -> None:
        for name in ("minutes", "trials"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"--{name} {value}: more than 0 is needed")


class Run:
    """One run of `tune`: proposals, measurements, records, progress, the final."""

    def __init__(self, store: Store, limits: Limits, command: str, progress: Progress) -> None:
        self.store, self.limits, self.command, self.progress = store, limits, command, progress
        self.start = time.monotonic()
        self.known: dict[Frozen, float | None] = {}
        self.size = self.before = self.measured = self.failed = 0

    def through(self, labs: list[Warm]) -> Tuned:
        self.progress(0, 0, "building and checking what is shipped")
        f = labs[0].call("facts", timeout_s=FIRST_S)
        self.key, self.facts = Key(**f["key"]), f
        self.space = space_of(**f["space"], numeric=self.key.numeric)
        self.size = sum(1 for _ in self.space.points())
        if self.store.path(self.key).exists():
            bad = self.store.mend(self.store.path(self.key), self.key)
            if bad:
                self._say(f"{bad} damaged lines of the store went into quarantine")
        self.known = known(self.store.read(self.key).all("trial"), self.space)
        self.before = len(self.known)
        seeds = [seed for seed in f["seeds"] if self.space.index(seed) is not None]
        self._measure(labs, [dict(self.space.shipped), *seeds])
        ended = self._search(labs)
        return self._finish(labs[0], ended)

    def _search(self, labs: list[Warm]) -> str:
        """Returns why it ended."""
        given = {**asdict(self.space), "workload": self.key.digest}
        with Warm(SEARCH, **given) as search:
            points = [thaw(p) for p in self.known]
            search.call("learn", points=points, ratios=list(self.known.values()))
            while True:
                proposed = search.call("propose")
                if not proposed:
                    return "every schedule is measured"
                ended = self._measure(labs, proposed)
                if ended:
                    return ended
                search.call("report", ratios=[self.known[freeze(p)] for p in proposed])

    def _measure(self, labs: list[Warm], points: Sequence[Point]) -> str:
        """Measures what is not known of the points; returns why no more may be, or nothing."""
        new = [p for p in points if freeze(p) not in self.known]
        for at in range(0, len(new), len(labs)):
            if why := self._over():
                return why
            for record in together(labs, new[at : at + len(labs)]):
                self._keep(record)
        return ""

    def _keep(self, record: dict[str, Any]) -> None:
        self.store.append(self.key, {"trial": record})
        self.known[freeze(record["schedule"])] = record.get("ratio")
        self.measured += 1
        self.failed += "error" in record
        self._say("")

    def _over(self) -> str:
        left = self._left()
        if left is not None and left <= 0:
            return f"{self.limits.minutes:g} minutes are over"
        if self.limits.trials is not None and self.measured >= self.limits.trials:
            return f"{self.limits.trials} trials are done"
        return ""

    def _left(self) -> float | None:
        """Seconds."""
        if self.limits.minutes is None:
            return None
        return self.limits.minutes * 60 - (time.monotonic() - self.start)

    def _say(self, text: str) -> None:
        ratios = [r for r in self.known.values() if r is not None]
        best = f"best {1 / min(ratios):.2f}x of shipped" if ratios else "nothing measured yet"
        left = self._left()
        rest = "" if left is None else f", {max(0, left) / 60:.1f} min left"
        note = text or f"{best}, {self.failed} failed{rest}"
        total = self.size
        if self.limits.trials is not None:
            total = min(total, self.before + self.limits.trials)
        self.progress(len(self.known), total, note)

    def _finish(self, lab: Warm, ended: str) -> Tuned:
        """The best points against the shipped schedule, side by side; the winner into the store."""
        shipped = {"schedule": self.space.shipped, "costs": self.facts["costs"]}
        best = {**shipped, "ratio": 1.0, "ratios": dict.fromkeys(self.facts["costs"], 1.0)}
        finalists = self._finalists()
        if finalists:
            self._say(f"measuring the best {len(finalists)} side by side with what is shipped")
            best = self._final(lab, finalists) or best
        shipped["costs"] = {f: c / best["ratios"][f] for f, c in best["costs"].items()}
        winner = {
            **best,
            "shipped": self.space.shipped,
            "shipped_costs": shipped["costs"],
            "unit": self.facts["unit"],
            "how": self.facts["how"],
            "command": self.command,
        }
        self.store.append(self.key, {"winner": winner})
        return Tuned(
            target=self.key.target,
            cpu=self.key.cpu,
            numeric=self.key.numeric,
            how=self.facts["how"],
            unit=self.facts["unit"],
            shipped=shipped,
            best=best,
            speedup=1 / best["ratio"],
            trials={"measured": self.measured, "known": self.before, "failed": self.failed},
            space=dict(self.space.knobs),
            size=self.size,
            ended=ended,
            seconds=time.monotonic() - self.start,
            store=str(self.store.path(self.key)),
        )

    def _finalists(self) -> list[Point]:
        good = sorted((r, p) for p, r in self.known.items() if r is not None and r < 1)
        return [thaw(p) for _, p in good[:FINALISTS]]

    def _final(self, lab: Warm, points: list[Point]) -> dict[str, Any] | None:
        found = lab.call("compare", schedules=points, rounds=ROUNDS, timeout_s=FIRST_S)
        native = self.facts["unit"] == "us"
        most, least, each = (GAIN, WINS, NO_WORSE) if native else (1.0, 1.0, 1.0)
        passed = [
            {"schedule": p, **{name: f[name] for name in ("costs", "ratio", "ratios")}}
            for p, f in zip(points, found, strict=True)
            if f["ratio"] < most and f["wins"] >= least and max(f["ratios"].values()) <= each
        ]
        return min(passed, key=lambda b: b["ratio"], default=None)


def freeze(point: Point) -> Frozen:
    """A point as the key of a dict."""
    return tuple(sorted(point.items()))


def thaw(frozen: Frozen) -> Point:
    return dict(frozen)


def known(trials: Sequence[dict[str, Any]], space: Space) -> dict[Frozen, float | None]:
    """Ratios by point; None of points that failed. The last measurement of a point counts."""
    out: dict[Frozen, float | None] = {}
    for trial in trials:
        point = trial.get("schedule")
        if isinstance(point, dict) and space.index(point) is not None:
            out[freeze(point)] = trial.get("ratio")
    return out


def together(labs: list[Warm], points: list[Point]) -> Iterator[dict[str, Any]]:
    """Measures a point in each lab, all at once; an interrupt ends them."""
    if len(points) == 1:
        yield attempt(labs[0], points[0])
        return
    pool = ThreadPoolExecutor(len(labs))
    try:
        yield from pool.map(attempt, labs, points)
    except BaseException:
        for lab in labs:
            lab.close()
        raise
    finally:
        pool.shutdown()


def attempt(lab: Warm, point: Point) -> dict[str, Any]:
    """The record of one trial; a refusal, a crash or a time-out is a record too."""
    start = time.monotonic()
    record: dict[str, Any] = {"schedule": point}
    try:
        record.update(lab.call("measure", schedule=point, timeout_s=POINT_S))
    except DelrecError as error:
        record["error"] = f"{type(error).__name__}: {error}"
    record["seconds"] = round(time.monotonic() - start, 3)
    return record
