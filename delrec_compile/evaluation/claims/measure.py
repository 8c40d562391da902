"""All claims at once: trains what is missing, measures, and gathers the rows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from delrec_compile.aliases import StageProgress
from delrec_compile.data.partition import Sets
from delrec_compile.data.sets import load_sets
from delrec_compile.errors import UsageError
from delrec_compile.evaluation.claims.cache import TrainingCache, default_folder, training_key
from delrec_compile.evaluation.claims.latency import environment, latency, measured_here, provenance
from delrec_compile.evaluation.claims.variants import QUICK_EPOCHS, TEACHER, VARIANTS, Variant, grid

Training = tuple[Variant, int]  # and its seed
Seeds = dict[int, dict[str, Any]]  # results of a variant by seed
SEEDS = 3


@dataclass(frozen=True)
class Claim:
    """A variant over its seeds; times are of the first seed's network.

    saving: recurrent parameters over those of dense_delay on the last layer, taken from 1. delays:
    mean accuracy with the delays "zeroed" and "shuffled", None where neurons share them. gap: mean
    accuracy less that of dense_delay, on the seeds that both have.
    """

    kind: str
    title: str
    accuracy_mean: float
    accuracy_std: float | None  # of one seed: None
    valid_mean: float
    seeds: int
    epochs: int
    recurrent_parameters: int
    saving: float
    gap: float | None
    rates: tuple[float, ...]
    cost: dict[str, float]
    delays: dict[str, float | None]
    latency: dict[str, Any] | None
    seconds: float  # of training, all seeds


@dataclass(frozen=True)
class Claims:
    """rows in the order of the variants; grid: conv_delay over taps and longest delays."""

    rows: tuple[Claim, ...]
    grid: tuple[Claim, ...]
    data: str
    samples: dict[str, int]
    seconds: float  # of this call
    trained: int  # trainings of this call; the others were there
    taken: str  # where times that were not taken here are from

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Claims:
        """The inverse of `as_dict`. Raises KeyError and TypeError for other keys."""
        rows, grid = (
            tuple(Claim(**{**row, "rates": tuple(row["rates"])}) for row in raw[key])
            for key in ("rows", "grid")
        )
        rest = (raw[k] for k in ("data", "samples", "seconds", "trained", "taken"))
        return cls(rows, grid, *rest)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "words": self.samples}  # the old name too, for one version


def claims(
    data: str | Path | Sets,
    *,
    variants: Sequence[Variant] = VARIANTS,
    seeds: int = SEEDS,
    cache: Path | None = None,
    quick: bool = False,
    with_grid: bool = True,
    with_latency: bool = True,
    recorded: bool = False,
    options: dict[str, Any] | None = None,
    progress: StageProgress = lambda _done, _total, _note: None,
) -> Claims:
    """Trains the variants that the cache does not hold yet, each with seeds 0 to seeds - 1.

    data: a folder (see `load_sets`) or sets. quick: one seed and two epochs, to see that all works.
    with_grid: the ablation over taps and delays too, one seed. recorded: train nothing; the rows
    are of what the cache holds, with as many seeds and times as are there. options: of TrainConfig,
    for every variant. progress(done, total, note) counts epochs. Raises DataError, UsageError.
    """
    _check_request(variants, seeds)
    started = time.monotonic()
    sets = data if isinstance(data, Sets) else load_sets(data)
    store = TrainingCache(cache or default_folder(), sets, recorded)
    work = _Work(store, options or {}, quick, progress)
    wanted = [(v, s) for s in range(1 if quick else seeds) for v in variants]
    extra = [(v, 0) for v in (grid() if with_grid else ())]
    if recorded:
        wanted, extra = work.on_record(wanted, some=True), work.on_record(extra)
    work.plan([*wanted, *extra])
    for training in (*wanted, *extra):  # all of them before the first is timed
        work.result(*training)
    rows = _rows(work, variants, wanted, with_latency)
    against = work.dense_parameters()
    squares = [_claim(v, {seed: work.result(v, seed)}, against, {}) for v, seed in extra]
    samples = {"train": len(sets.train), "valid": len(sets.valid), "test": len(sets.test)}
    seconds = time.monotonic() - started
    origin = provenance({row.title: row.latency for row in rows if row.latency})
    return Claims(tuple(rows), tuple(squares), store.data, samples, seconds, work.trained, origin)


def _check_request(variants: Sequence[Variant], seeds: int) -> None:
    if seeds < 1:
        raise UsageError(f"seeds is {seeds}; at least 1 is required")
    if not variants:
        raise UsageError("no variant is specified; at least one is required")


def _rows(
    work: _Work, variants: Sequence[Variant], wanted: Sequence[Training], with_latency: bool
) -> list[Claim]:
    """One for each of the variants that `wanted` has."""
    found: dict[str, Seeds] = {}
    for variant, seed in wanted:
        found.setdefault(variant.name, {})[seed] = work.result(variant, seed)
    rows = []
    for v in variants:
        seeds, times = found.get(v.name), None
        if not seeds:
            continue
        if with_latency:
            times = work.timed(next(iter(seeds.values())), v.title)
        rows.append(_claim(v, seeds, work.dense_parameters(), found.get(TEACHER, {}), times))
    return rows


class _Work:
    """Trainings to do, counted in epochs."""

    def __init__(
        self, cache: TrainingCache, options: dict[str, Any], quick: bool, progress: StageProgress
    ) -> None:
        self.cache, self.options, self.progress = cache, options, progress
        self.epochs = QUICK_EPOCHS if quick else None
        self.teachers = {v.name: v for v in VARIANTS}
        self.done = self.total = self.trained = 0

    def plan(self, wanted: Sequence[Training]) -> None:
        """Counts the epochs of the missing trainings."""
        missing = {}
        for variant, seed in wanted:
            for one in self._with_teacher(variant):
                name, epochs = self._key(one, seed)
                if self.cache.result(name) is None:
                    missing[name] = epochs
        self.total = sum(missing.values())

    def on_record(self, wanted: Sequence[Training], some: bool = False) -> list[Training]:
        """Those that the cache holds; some: none at all is refused."""
        found = [w for w in wanted if self.cache.result(self._key(*w)[0]) is not None]
        if some and not found:
            raise UsageError(
                f"{self.cache.folder} holds no training runs of these networks on this data; "
                "pass another folder with --cache, or train them without --recorded"
            )
        return found

    def result(self, variant: Variant, seed: int) -> dict[str, Any]:
        """From the cache, or trained now."""
        name, _ = self._key(variant, seed)
        return self.cache.result(name) or self._train(variant, seed, name)

    def dense_parameters(self) -> int:
        """Recurrent parameters of dense_delay on the last layer."""
        neurons: int = self._config(self.teachers[TEACHER], 0, "").hidden
        return neurons**2 + neurons

    def timed(self, found: dict[str, Any], title: str) -> dict[str, Any] | None:
        """The times of this machine and version, measured now if there are none.

        Without a network file, or with `recorded`, those on record.
        """
        record: dict[str, Any] | None = found.get("latency")
        path = self.cache.network(found["key"])
        if (
            self.cache.recorded
            or not path.exists()
            or (record and record["us_per_step"] is not None and measured_here(record))
        ):
            return record
        self.progress(self.done, max(self.total, 1), f"timing {title}")
        times = {**latency(path), **environment()}
        if times["us_per_step"] is None and record:
            return record
        self.cache.write({**found, "latency": times})
        return times

    def _train(self, variant: Variant, seed: int, name: str) -> dict[str, Any]:
        teacher = ""
        if variant.teacher:
            above = self.teachers[variant.teacher]
            path = self.cache.network(self._key(above, seed)[0])
            if not path.exists():
                self._train(above, seed, path.stem)
            teacher = str(path)
        config = self._config(variant, seed, teacher)
        before = self.done
        about = {"variant": variant.name, "seed": seed}
        found = self.cache.train(
            name,
            config,
            about,
            lambda epoch, epochs: self._count(
                before + epoch.number,
                f"{variant.title}, seed {seed}: epoch {epoch.number} of {epochs}, "
                f"valid {epoch.valid_accuracy:.1%}",
            ),
        )
        self.done, self.trained = before + config.epochs, self.trained + 1
        return found

    def _count(self, done: int, note: str) -> None:
        self.done = done
        self.progress(done, max(self.total, done), note)

    def _with_teacher(self, variant: Variant) -> Iterator[Variant]:
        if variant.teacher:
            yield self.teachers[variant.teacher]
        yield variant

    def _key(self, variant: Variant, seed: int) -> tuple[str, int]:
        above = self.teachers.get(variant.teacher)
        config = self._config(variant, seed, "")
        return training_key(
            config, self.cache.data, self._key(above, seed)[0] if above else ""
        ), config.epochs

    def _config(self, variant: Variant, seed: int, teacher: str) -> Any:
        changed = replace(variant, options={**variant.options, **self.options})
        return changed.config(seed, self.epochs, teacher)


def _claim(
    variant: Variant,
    seeds: Seeds,
    against: int,
    dense: Seeds,
    times: dict[str, Any] | None = None,
) -> Claim:
    results = list(seeds.values())
    first, scores = results[0], [_tested(r) for r in results]
    mean = statistics.mean(scores)
    parameters = first["recurrent_parameters"]
    return Claim(
        variant.name,
        variant.title,
        mean,
        statistics.stdev(scores) if len(scores) > 1 else None,
        statistics.mean(r["accuracy"]["valid"] for r in results),
        len(results),
        first["epochs"],
        parameters,
        1 - parameters / against,
        _gap(seeds, dense),
        tuple(_mean(r["rates"][i] for r in results) for i in range(len(first["rates"]))),
        {name: _mean(r["cost"][name] for r in results) for name in first["cost"]},
        _ablated(results),
        times,
        sum(r["seconds"] for r in results),
    )


def _ablated(results: list[dict[str, Any]]) -> dict[str, float | None]:
    """Means over the seeds whose network has delays."""
    delayed = [r["delays"] for r in results if r["delays"]]
    return {
        name: None if delayed[0][name] is None else _mean(d[name] for d in delayed)
        for name in (delayed[0] if delayed else ())
    }


def _gap(found: Seeds, dense: Seeds) -> float | None:
    """Over the seeds that both have; None where there is none."""
    gaps = [_tested(found[s]) - _tested(dense[s]) for s in found if s in dense]
    return statistics.mean(gaps) if gaps else None


def _tested(found: dict[str, Any]) -> float:
    accuracy: float = found["accuracy"]["test"]
    return accuracy


def _mean(values: Iterator[float]) -> float:
    return statistics.fmean(values)
