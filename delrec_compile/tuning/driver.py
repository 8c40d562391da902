"""One run of `tune`: what is proposed is measured and recorded, and the best meet what is shipped.

It lives in the command's own process, with the store, the limits and the progress; TVM and
candidates live in two kinds of warm children, whose death costs one trial (`tuning_search`,
`tuning_lab`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from delrec_compile.aliases import Numeric, StageProgress
from delrec_compile.compiler.schedules.store import Key, Store
from delrec_compile.errors import CompilerCrash, DelrecError, DeviceError, ParityError, UsageError
from delrec_compile.system.worker import Warm
from delrec_compile.tuning.space import Point, Space, space_of

SEARCH = "delrec_compile.tuning.search:Search"
MINUTES = 10.0
FIRST_S, POINT_S = 600.0, 120.0
FINALISTS, ROUNDS = 4, 45
# natively a winner must be this much faster, and in so many of the rounds, and no form of it may be
# slower but by noise; instructions are exact
GAIN, WINS, NO_WORSE = 0.98, 0.75, 1.01
Frozen = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Tuned:
    """What a run of `tune` found.

    shipped, best, untuned (what a profile has that says nothing but the width of its vectors): a
    `schedule`, and its `costs` per step by form: `steps` one after the other, and natively also
    `sequence`, many in one call. unit: `us` or `instructions`. speedup: shipped over
    best, the geometric mean of the forms; 1.0 where nothing beats what is shipped. over_untuned: the
    same of untuned over best. trials: measured
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
    untuned: dict[str, Any] | None
    speedup: float
    over_untuned: float | None
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

    def __init__(self, store: Store, limits: Limits, command: str, progress: StageProgress) -> None:
        self.store, self.limits, self.command, self.progress = store, limits, command, progress
        self.start = time.monotonic()
        self.known: dict[Frozen, float | None] = {}
        self.size = self.before = self.measured = self.failed = 0

    def through(self, labs: list[Warm]) -> Tuned:
        self.progress(0, 0, "building and checking what is shipped")
        f = labs[0].call("facts", timeout_s=FIRST_S)
        self.key, self.facts = Key(**f["key"]), f
        self.space = space_of(**f["space"], numeric=Numeric(self.key.numeric))
        self.size = sum(1 for _ in self.space.points())
        if self.store.path(self.key).exists():
            bad = self.store.mend(self.store.path(self.key), self.key)
            if bad:
                self._say(f"{bad} damaged lines of the store went into quarantine")
        self.known = known(self.store.read(self.key).all("trial"), self.space, f["how"])
        self.before = len(self.known)
        first = [self.space.shipped, self.space.untuned, *f["seeds"]]
        self._measure(labs, [p for p in first if p and self.space.index(p) is not None])
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
        new = [thaw(p) for p in dict.fromkeys(map(freeze, points)) if p not in self.known]
        for at in range(0, len(new), len(labs)):
            if why := self._over():
                return why
            for record in together(labs, new[at : at + len(labs)]):
                self._keep(record)
        return ""

    def _keep(self, record: dict[str, Any]) -> None:
        same = {name: self.facts[name] for name in ("unit", "how")}
        self.store.append(self.key, {"trial": {**record, **same}})
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
        self._say("measuring the best side by side with what is shipped")
        costs = self.facts["costs"]
        shipped = {"schedule": self.space.shipped, "costs": costs, "ratio": 1.0}
        shipped["ratios"] = dict.fromkeys(costs, 1.0)
        plain, found = self.space.untuned, self._final(lab)
        untuned = next((p for p in found if p["schedule"] == plain), None)
        if plain == self.space.shipped:
            untuned = shipped
        best = min(filter(self._wins, found), key=lambda p: p["ratio"], default=shipped)
        shipped["costs"] = {f: c / best["ratios"][f] for f, c in best["costs"].items()}
        facts = {name: self.facts[name] for name in ("unit", "how")}
        winner = {name: best[name] for name in ("schedule", "costs", "ratios", "ratio")}
        winner |= {"shipped": self.space.shipped, "shipped_costs": shipped["costs"], **facts}
        self.store.append(self.key, {"winner": {**winner, "command": self.command}})
        return Tuned(
            target=self.key.target,
            cpu=self.key.cpu,
            numeric=self.key.numeric,
            shipped=shipped,
            best=best,
            untuned=untuned,
            speedup=1 / best["ratio"],
            over_untuned=untuned["ratio"] / best["ratio"] if untuned else None,
            trials={"measured": self.measured, "known": self.before, "failed": self.failed},
            space=dict(self.space.knobs),
            size=self.size,
            ended=ended,
            seconds=time.monotonic() - self.start,
            store=str(self.store.path(self.key)),
            **facts,
        )

    def _final(self, lab: Warm) -> list[dict[str, Any]]:
        """The best points, and the untuned one, measured once more: each with its schedule."""
        good = sorted((r, p) for p, r in self.known.items() if r is not None and r < 1)
        points = [thaw(p) for _, p in good[:FINALISTS]]
        plain = self.space.untuned
        if plain and plain not in (*points, self.space.shipped) and self.known.get(freeze(plain)):
            points.append(plain)
        return self._side_by_side(lab, points)

    def _side_by_side(self, lab: Warm, points: list[Point]) -> list[dict[str, Any]]:
        if not points:
            return []
        try:
            found = lab.call("compare", schedules=points, rounds=ROUNDS, timeout_s=FIRST_S)
        except (CompilerCrash, ParityError):  # of one of them: the others are measured without it
            alone = points if len(points) > 1 else []
            return [found for point in alone for found in self._side_by_side(lab, [point])]
        return [{"schedule": p, **f} for p, f in zip(points, found, strict=True)]

    def _wins(self, found: dict[str, Any]) -> bool:
        native = self.facts["unit"] == "us"
        most, least, each = (GAIN, WINS, NO_WORSE) if native else (1.0, 1.0, 1.0)
        good = found["ratio"] < most and found["wins"] >= least
        return bool(good and max(found["ratios"].values()) <= each)


def freeze(point: Point) -> Frozen:
    """A point as the key of a dict."""
    return tuple(sorted(point.items()))


def thaw(frozen: Frozen) -> Point:
    return dict(frozen)


def known(trials: Sequence[dict[str, Any]], space: Space, how: str) -> dict[Frozen, float | None]:
    """Ratios by point, measured in the same way; None of points that failed. The last one counts."""
    out: dict[Frozen, float | None] = {}
    for trial in trials:
        point = trial.get("schedule")
        if not isinstance(point, dict) or trial.get("how") != how:
            continue
        if space.index(point) is not None:
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
    """The record of one trial; a refusal, a crash or a time-out is a record too.

    Raises DeviceError for a device that is gone, which is no fault of the point.
    """
    start = time.monotonic()
    record: dict[str, Any] = {"schedule": point}
    try:
        record.update(lab.call("measure", schedule=point, timeout_s=POINT_S))
    except DeviceError:
        raise
    except DelrecError as error:
        record["error"] = f"{type(error).__name__}: {error}"
    record["seconds"] = round(time.monotonic() - start, 3)
    return record
