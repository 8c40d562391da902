"""All claims at once: trains what is missing, measures, and gathers the rows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from delrec_compile.aliases import StageProgress
from delrec_compile.data.events import Events
from delrec_compile.data.folds import Folds
from delrec_compile.data.partition import Sets
from delrec_compile.data.samples import read_samples
from delrec_compile.errors import UsageError
from delrec_compile.evaluation.claims.cache import default_folder
from delrec_compile.evaluation.claims.claim import Claim, Claims, Result, claim
from delrec_compile.evaluation.claims.jobs import read as read_folder
from delrec_compile.evaluation.claims.latency import provenance
from delrec_compile.evaluation.claims.published import baseline, steps_of
from delrec_compile.evaluation.claims.variants import VARIANTS, Variant, check_own, grid
from delrec_compile.evaluation.claims.work import Training, Work
from delrec_compile.system.jobs import HERE, Place
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.optimisers import device_of

SEEDS = 3
Runs = dict[tuple[int | None, int], Result]


def claims(
    data: str | Path | Sets | Folds,
    *,
    variants: Sequence[Variant] = VARIANTS,
    seeds: int = SEEDS,
    folds: int | None = None,
    cache: Path | None = None,
    quick: bool = False,
    with_grid: bool = True,
    with_latency: bool = True,
    recorded: bool = False,
    fix: bool = False,
    other: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    own: Mapping[str, Mapping[str, Any]] | None = None,
    place: Place = HERE,
    progress: StageProgress = lambda _done, _total, _note: None,
) -> Claims:
    """Trains the variants that the cache does not hold yet, each with seeds 0 to seeds - 1.

    data: a folder (see `load_sets`), sets, or a pool of voices, of which each fold is trained apart.
    folds: only the first of them. quick: one seed, one fold and two epochs, to see that all works.
    with_grid: the ablations too, one seed of the first fold. recorded: train nothing; the rows
    are of what the cache holds, with as many seeds and times as are there. fix: from now on the recipes
    of these variants are fixed, and their networks are tested; other recipes of a pool show what they
    reach on validation samples. other: samples of another synthesiser, for recipes that are fixed.
    options: of TrainConfig, for every variant; a folder is read with the steps of the variants, the
    same for all. own: options of single variants, by name, in place of those. place: where is trained;
    elsewhere than here, data is a folder. progress(done, total, note) counts epochs. Raises
    DataError, UsageError, DeviceError.
    """
    options = _options(variants, options or {}, own or {}, place)
    read, source = _read(data, place, options["steps"])
    parts = _folds(read, folds, quick)
    _check_request(variants, seeds, read, fix, other, quick)
    started = time.monotonic()
    work = Work(
        cache or default_folder(),
        read,
        recorded=recorded,
        options=options,
        own=own,
        quick=quick,
        progress=progress,
        place=place,
        source=source,
        other=None if other is None else _other(other, read),
    )
    if fix:
        work.fixed.fix((v, work.config(Training(v, parts[0], 0))) for v in variants)
    trainings = _Trainings(variants, range(1 if quick else seeds), parts)
    made = trainings.measured(work, with_grid, with_latency)
    return replace(made, seconds=time.monotonic() - started)


def _options(
    variants: Sequence[Variant],
    options: Mapping[str, Any],
    own: Mapping[str, Mapping[str, Any]],
    place: Place,
) -> dict[str, Any]:
    """Options of all variants, checked before anything is read. Raises UsageError, DeviceError."""
    check_own(own, variants)
    if place.is_here and "device" in options:
        device_of(TrainConfig(device=options["device"]))
    return {"steps": steps_of(variants, TrainConfig.steps), **options}


@dataclass(frozen=True)
class _Trainings:
    """What is asked for: each of the variants, with each seed, on each fold."""

    variants: Sequence[Variant]
    seeds: Sequence[int]
    folds: Sequence[int | None]

    def measured(self, work: Work, with_grid: bool, with_latency: bool) -> Claims:
        """Trains and measures them; of records, those that are there."""
        first = self.folds[0]
        wanted = [Training(v, f, s) for s in self.seeds for f in self.folds for v in self.variants]
        extra = [Training(v, first, 0) for v in (grid(work.pooled) if with_grid else ())]
        if work.recorded:
            wanted, extra = work.on_record(wanted, some=True), work.on_record(extra)
        work.train_all([*wanted, *extra])
        rows = _rows(work, self.variants, wanted, with_latency)
        against = work.recurrent_parameters(baseline(self.variants))
        return Claims(
            rows=tuple(rows),
            grid=tuple(claim(t.variant, {t[1:]: work.result(t)}, against, {}) for t in extra),
            data=work.cache(first).data,
            samples=_samples(work, first),
            seconds=0.0,
            trained=work.trained,
            taken=provenance({row.title: row.latency for row in rows if row.latency}),
            valid_speakers=_held_out(work.cache(first).sets),
        )


def _samples(work: Work, fold: int | None) -> dict[str, int]:
    """Samples of each set of a fold; of a pool, all that are tested too."""
    sets = work.cache(fold).sets
    samples = {"train": len(sets.train), "valid": len(sets.valid), "test": len(sets.test)}
    return samples | ({"pool": len(work.data.events)} if isinstance(work.data, Folds) else {})


def _held_out(sets: Sets) -> int | None:
    """How many speakers the validation set has; None if one of them trains too, or none is told."""
    if sets.valid.speaker is None or sets.train.speaker is None:
        return None
    speakers = {*sets.valid.speaker.tolist()}
    return None if speakers & {*sets.train.speaker.tolist()} else len(speakers)


def _read(
    data: str | Path | Sets | Folds, place: Place, steps: int
) -> tuple[Sets | Folds, Path | None]:
    """The data, and the folder that they are of, if it is known. Raises DataError, UsageError."""
    if not isinstance(data, Sets | Folds):
        return read_folder(data, steps), Path(data)
    if not place.is_here:
        raise UsageError("workers read the data themselves: pass the folder that holds them")
    return data, None


def _other(samples: str | Path, data: Sets | Folds) -> Events:
    """Samples of another synthesiser, binned as the data is. Raises DataError."""
    own = data.events if isinstance(data, Folds) else data.train
    return read_samples(Path(samples), steps=own.steps, dt_ms=own.dt_ms, inputs=own.channels)


def _folds(data: Sets | Folds, wanted: int | None, quick: bool) -> Sequence[int | None]:
    """The folds to train. Raises UsageError where the data has none, or fewer."""
    if isinstance(data, Sets):
        if wanted is not None:
            raise UsageError(
                "this data has no folds; make a pool of rotating voices with 'data synth --folds 5'"
            )
        return [None]
    if wanted is not None and not 1 <= wanted <= data.count:
        raise UsageError(f"folds is {wanted}; allowed: 1 to {data.count}, those of the data")
    return list(range(1 if quick else wanted or data.count))


def _check_request(
    variants: Sequence[Variant],
    seeds: int,
    data: Sets | Folds,
    fix: bool,
    other: str | Path | None,
    quick: bool,
) -> None:
    if seeds < 1:
        raise UsageError(f"seeds is {seeds}; at least 1 is required")
    if not variants:
        raise UsageError("no variant is specified; at least one is required")
    for name, value in (("--fix", fix), ("--other", other)):
        if value and isinstance(data, Sets):
            raise UsageError(
                f"{name} is for a pool of voices, whose recipes are fixed before tests"
            )
    if fix and quick:
        raise UsageError("--fix with --quick would fix recipes of two epochs; use one of the two")


def _rows(
    work: Work, variants: Sequence[Variant], wanted: Sequence[Training], with_latency: bool
) -> list[Claim]:
    """One for each of the variants that `wanted` has."""
    found: dict[str, Runs] = {}
    first: dict[str, Training] = {}
    for training in wanted:
        name = training.variant.name
        found.setdefault(name, {})[training.fold, training.seed] = work.result(training)
        first.setdefault(name, training)
    compared = baseline(variants)
    against, dense = work.recurrent_parameters(compared), found.get(compared.name, {})
    return [
        claim(v, found[v.name], against, dense, work.timed(first[v.name]) if with_latency else None)
        for v in variants
        if v.name in found
    ]
