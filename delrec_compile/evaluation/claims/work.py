"""The trainings behind the claims: what is missing is trained, what is there is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from delrec_compile.aliases import StageProgress
from delrec_compile.data.events import Events
from delrec_compile.data.folds import Folds
from delrec_compile.data.partition import Sets
from delrec_compile.errors import UsageError
from delrec_compile.evaluation.claims.cache import TrainingCache
from delrec_compile.evaluation.claims.fixed import FixedRecipes
from delrec_compile.evaluation.claims.jobs import Source
from delrec_compile.evaluation.claims.latency import environment, latency, measured_here
from delrec_compile.evaluation.claims.variants import QUICK_EPOCHS, VARIANTS, Variant
from delrec_compile.system.cluster import finished
from delrec_compile.system.jobs import HERE, Job, Place
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.keys import training_key


class Training(NamedTuple):
    """One training. fold: of a pool of voices, else None."""

    variant: Variant
    fold: int | None
    seed: int


class Work:
    """Trainings to do, counted in epochs; their results.

    Of a pool of voices, only recipes that are fixed meet the test samples, and `other`, samples of
    another synthesiser. source: the folder that `data` is of, which workers elsewhere read. own:
    options of single variants, by name.
    """

    def __init__(
        self,
        folder: Path,
        data: Sets | Folds,
        *,
        recorded: bool,
        options: dict[str, Any],
        quick: bool,
        progress: StageProgress,
        own: Mapping[str, Mapping[str, Any]] | None = None,
        other: Events | None = None,
        place: Place = HERE,
        source: Path | None = None,
    ) -> None:
        self.folder, self.data, self.recorded = folder, data, recorded
        self.place, self.source = place, source
        self.options, self.progress, self.other = options, progress, other
        self.own = own or {}
        self.epochs = QUICK_EPOCHS if quick else None
        self.teachers = {v.name: v for v in VARIANTS}
        self.done = self.total = self.trained = 0
        self._caches: dict[int | None, TrainingCache] = {}
        self.cache(self._first_fold())  # refuses a folder that cannot be had
        self.fixed = FixedRecipes(folder)

    @property
    def pooled(self) -> bool:
        """Whether voices rotate, so that recipes must be fixed before they are tested."""
        return isinstance(self.data, Folds)

    def cache(self, fold: int | None) -> TrainingCache:
        """The results of a fold."""
        if fold not in self._caches:
            sets = self.data.sets(fold or 0) if isinstance(self.data, Folds) else self.data
            self._caches[fold] = TrainingCache(self.folder, sets, self.recorded, self.pooled)
        return self._caches[fold]

    def train_all(self, wanted: Sequence[Training]) -> None:
        """Trains what is missing, teachers first."""
        missing = {self.key(t): t for w in wanted for t in self._missing(w)}
        self.total = sum(self.config(t).epochs for t in missing.values())
        jobs = [self._job(key, training, missing) for key, training in missing.items()]
        function = "delrec_compile.evaluation.claims.jobs:perform"
        with closing(finished(function, jobs, self.place, self._count, self.folder)) as ended:
            for done in ended:
                if done.error:
                    raise done.error
                self.trained += 1

    def on_record(self, wanted: Sequence[Training], some: bool = False) -> list[Training]:
        """Those that the cache holds; some: none at all is refused."""
        found = [w for w in wanted if self.cache(w.fold).result(self.key(w)) is not None]
        if some and not found:
            raise UsageError(
                f"{self.folder} holds no training runs of these networks on this data; "
                "pass another folder with --cache, or train them without --recorded"
            )
        return found

    def result(self, training: Training) -> dict[str, Any]:
        """The result of a training that is there, without what its recipe may not tell yet."""
        cache = self.cache(training.fold)
        found = cache.result(self.key(training))
        assert found is not None
        if not self.pooled:
            return found
        if not self.fixed.holds(training.variant, self.config(training)):
            valid = {"valid": found["accuracy"]["valid"]}
            return {**found, "accuracy": valid, "delays": {}, "other": None}
        if cache.untested(found):
            self._say(f"testing {_name(training)}")
            found = cache.tested(found)
        if self.other is None:
            return found
        if cache.unheard(found, self.other):
            self._say(f"testing {_name(training)} on another synthesiser's words")
        return cache.heard(found, self.other)

    def recurrent_parameters(self, dense: Variant) -> int:
        """Recurrent parameters of a variant that has a matrix and the delays of its neurons."""
        config = self.config(Training(dense, self._first_fold(), 0))
        layers = sum(config.recurs(i) for i in range(config.layers))
        return layers * (config.hidden**2 + config.hidden)

    def timed(self, training: Training) -> dict[str, Any] | None:
        """The times of this machine and version, measured now if there are none.

        Without a network file, or with `recorded`, those on record.
        """
        cache = self.cache(training.fold)
        found = cache.result(self.key(training))
        assert found is not None
        record: dict[str, Any] | None = found.get("latency")
        path = cache.network(found["key"])
        if (
            self.recorded
            or not path.exists()
            or (record and record["us_per_step"] is not None and measured_here(record))
        ):
            return record
        self._say(f"timing {training.variant.title}")
        times = {**latency(path), **environment()}
        if times["us_per_step"] is None and record:
            return record
        cache.write({**found, "latency": times})
        return times

    def config(self, training: Training, teacher: str = "") -> TrainConfig:
        """The options of a training. teacher: a network file."""
        variant = training.variant
        options = {**variant.options, **self.options, **self.own.get(variant.name, {})}
        changed = replace(variant, options=options)
        return changed.config(training.seed, self.epochs, teacher)

    def key(self, training: Training) -> str:
        """The name of its result."""
        above = self._teacher(training)
        data = self.cache(training.fold).data
        return training_key(self.config(training), data, self.key(above) if above else "")

    def _job(self, key: str, training: Training, missing: Mapping[str, Training]) -> Job:
        """The job of a training, after that of its teacher where this is missing too."""
        above, cache = self._teacher(training), self.cache(training.fold)
        teacher = "" if above is None else self.key(above)
        config = self.config(training, str(cache.network(teacher).absolute()) if teacher else "")
        about = {"variant": training.variant.name, "seed": training.seed}
        if training.fold is not None:
            about["fold"] = training.fold
        store: Source | TrainingCache = cache
        if self.source is not None and not self.place.is_here:
            places = (str(self.source.absolute()), training.fold, str(self.folder.absolute()))
            store = Source(*places, cache.data, config.steps)
        after = (_name(missing[teacher]),) if teacher in missing else ()
        arguments = {"cache": store, "key": key, "config": config, "about": about}
        return Job(_name(training), arguments, config.epochs, after)

    def _count(self, done: int, total: int, text: str) -> None:
        self.done = done
        self.progress(done, total, text)

    def _say(self, text: str) -> None:
        """Tells what follows the epochs."""
        self.progress(self.done, max(self.total, 1), text)

    def _teacher(self, training: Training) -> Training | None:
        above = self.teachers.get(training.variant.teacher)
        return training._replace(variant=above) if above else None

    def _missing(self, training: Training) -> Iterator[Training]:
        """The training, where it has no result; before it its teacher, where that has no file."""
        cache, above = self.cache(training.fold), self._teacher(training)
        if cache.result(self.key(training)) is None:
            if above and not cache.network(self.key(above)).exists():
                yield above
            yield training

    def _first_fold(self) -> int | None:
        return 0 if isinstance(self.data, Folds) else None


def _name(training: Training) -> str:
    """What the progress calls a training."""
    fold = "" if training.fold is None else f", fold {training.fold}"
    return f"{training.variant.title}{fold}, seed {training.seed}"
