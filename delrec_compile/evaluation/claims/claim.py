"""A row of the claims: a variant over its folds and seeds."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from delrec_compile.evaluation.claims.published import PUBLISHED, Published
from delrec_compile.evaluation.claims.variants import Variant
from delrec_compile.evaluation.claims.voices import interval

Result = Mapping[str, Any]  # of a training, as `TrainingCache` keeps it
Runs = Mapping[tuple[int | None, int], Result]  # results of a variant by fold and seed


@dataclass(frozen=True)
class Claim:
    """A variant over its folds and seeds; times are of the first network.

    accuracy_mean: of the test samples, the mean over folds and seeds; None where no recipe may tell it
    yet. accuracy_std: over seeds. saving: recurrent parameters over those of the dense network, taken
    from 1: dense_delay on the last layer, or DelRec with four layers where the rows are the papers'.
    delays: mean accuracy with the delays "zeroed" and "shuffled", None where neurons share them. gap:
    mean accuracy less that of the dense network, on the folds and seeds that both have. interval: 95 %
    of that gap, voices drawn anew; of a pool of voices. valid_gap, valid_interval: the same of
    validation samples. other: accuracy on words of another synthesiser. published: what the authors
    give for this network on SHD.
    """

    kind: str
    title: str
    accuracy_mean: float | None
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
    seconds: float  # of training, all of them
    folds: int = 1
    interval: tuple[float, float] | None = None
    valid_gap: float | None = None
    valid_interval: tuple[float, float] | None = None
    other: float | None = None
    published: Published | None = None


@dataclass(frozen=True)
class Claims:
    """rows in the order of the variants; grid: an ablation of taps, delays and channels.

    valid_speakers: speakers of the validation samples, where no training sample is theirs.
    """

    rows: tuple[Claim, ...]
    grid: tuple[Claim, ...]
    data: str
    samples: dict[str, int]
    seconds: float  # of this call
    trained: int  # trainings of this call; the others were there
    taken: str  # where times that were not taken here are from
    valid_speakers: int | None = None

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Claims:
        """The inverse of `as_dict`. Raises KeyError and TypeError for other keys."""
        rows, grid = (tuple(_row(row) for row in raw[key]) for key in ("rows", "grid"))
        rest = {k: raw[k] for k in ("data", "samples", "seconds", "trained", "taken")}
        return cls(rows, grid, **rest, valid_speakers=raw.get("valid_speakers"))

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "words": self.samples}  # the old name too, for one version


def claim(
    variant: Variant, runs: Runs, against: int, dense: Runs, times: dict[str, Any] | None = None
) -> Claim:
    """The row of a variant. against: recurrent parameters of the dense one. dense: its results."""
    results = list(runs.values())
    first = results[0]
    parameters = first["recurrent_parameters"]
    tested = all("test" in r["accuracy"] for r in results)
    gap, spread = _gap(runs, dense, "test") if tested else (None, None)
    valid_gap, valid_spread = _gap(runs, dense, "valid")
    others = [r["other"]["accuracy"] for r in results if tested and r.get("other")]
    return Claim(
        kind=variant.name,
        title=variant.title,
        accuracy_mean=_accuracy(runs, "test") if tested else None,
        accuracy_std=_deviation(runs) if tested else None,
        valid_mean=_accuracy(runs, "valid"),
        seeds=len({seed for _, seed in runs}),
        epochs=first["epochs"],
        recurrent_parameters=parameters,
        saving=1 - parameters / against,
        gap=gap,
        rates=tuple(_mean(r["rates"][i] for r in results) for i in range(len(first["rates"]))),
        cost={name: _mean(r["cost"][name] for r in results) for name in first["cost"]},
        delays=_ablated(results) if tested else {},
        latency=times,
        seconds=sum(r["seconds"] for r in results),
        folds=len({fold for fold, _ in runs}),
        interval=spread,
        valid_gap=valid_gap,
        valid_interval=valid_spread,
        other=_mean(others) if len(others) == len(results) else None,
        published=PUBLISHED.get(variant.name),
    )


def _row(raw: Mapping[str, Any]) -> Claim:
    pairs = {name: raw.get(name) for name in ("interval", "valid_interval")}
    spread = {name: None if pair is None else tuple(pair) for name, pair in pairs.items()}
    told = raw.get("published")
    published = None if told is None else Published(**told)
    return Claim(**{**raw, **spread, "rates": tuple(raw["rates"]), "published": published})


def _accuracy(runs: Runs, part: str) -> float:
    return _mean(r["accuracy"][part] for r in runs.values())


def _deviation(runs: Runs) -> float | None:
    """Over the seeds that have all folds; None of fewer than two."""
    folds = {fold for fold, _ in runs}
    scores = []
    for seed in {seed for _, seed in runs}:
        held = [r["accuracy"]["test"] for (_, s), r in runs.items() if s == seed]
        if len(held) == len(folds):
            scores.append(statistics.fmean(held))
    return statistics.stdev(scores) if len(scores) > 1 else None


def _gap(runs: Runs, dense: Runs, part: str) -> tuple[float | None, tuple[float, float] | None]:
    """The mean gap and its interval over what both have; None where there is none."""
    both = [(r, dense[key]) for key, r in runs.items() if part in dense.get(key, _NONE)["accuracy"]]
    if not both:
        return None, None
    gap = statistics.fmean(r["accuracy"][part] - d["accuracy"][part] for r, d in both)
    if not all("voices" in one for pair in both for one in pair):
        return gap, None
    ours, theirs = ([pair[i]["voices"][part] for pair in both] for i in (0, 1))
    return gap, interval(ours, theirs)


_NONE: Result = {"accuracy": {}}


def _ablated(results: list[Result]) -> dict[str, float | None]:
    """Means over the networks that have delays."""
    delayed = [r["delays"] for r in results if r["delays"]]
    return {
        name: None if delayed[0][name] is None else _mean(d[name] for d in delayed)
        for name in (delayed[0] if delayed else ())
    }


def _mean(values: Iterable[float]) -> float:
    return statistics.fmean(values)
