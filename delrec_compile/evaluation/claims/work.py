"""The trainings behind the claims: what is missing is trained, what is there is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from delrec_compile.aliases import StageProgress
from delrec_compile.data.events import Events
from delrec_compile.data.folds import Folds
from delrec_compile.data.partition import Sets
from delrec_compile.errors import UsageError
from delrec_compile.evaluation.claims.cache import TrainingCache, training_key
from delrec_compile.evaluation.claims.fixed import FixedRecipes
from delrec_compile.evaluation.claims.latency import environment, latency, measured_here
from delrec_compile.evaluation.claims.variants import QUICK_EPOCHS, TEACHER, VARIANTS, Variant
from delrec_compile.training.config import TrainConfig


class Training(NamedTuple):
    """One training. fold: of a pool of voices, else None."""

    variant: Variant
    fold: int | None
    seed: int


class Work:
    """Trainings to do, counted in epochs; their results.

    Of a pool of voices, only recipes that are fixed meet the test samples, and `other`, samples of
    another synthesiser.
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
        other: Events | None = None,
    ) -> None:
        self.folder, self.data, self.recorded = folder, data, recorded
        self.options, self.progress, self.other = options, progress, other
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
        for key, training in missing.items():
            self._train(key, training)

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
        found = cache.tested(found)
        return found if self.other is None else cache.heard(found, self.other)

    def dense_parameters(self) -> int:
        """Recurrent parameters of dense_delay on the last layer."""
        dense = Training(self.teachers[TEACHER], self._first_fold(), 0)
        neurons: int = self.config(dense).hidden
        return neurons**2 + neurons

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
        self.progress(self.done, max(self.total, 1), f"timing {training.variant.title}")
        times = {**latency(path), **environment()}
        if times["us_per_step"] is None and record:
            return record
        cache.write({**found, "latency": times})
        return times

    def config(self, training: Training, teacher: str = "") -> TrainConfig:
        """The options of a training. teacher: a network file."""
        variant = training.variant
        changed = replace(variant, options={**variant.options, **self.options})
        return changed.config(training.seed, self.epochs, teacher)

    def key(self, training: Training) -> str:
        """The name of its result."""
        above = self._teacher(training)
        data = self.cache(training.fold).data
        return training_key(self.config(training), data, self.key(above) if above else "")

    def _train(self, key: str, training: Training) -> None:
        above, cache = self._teacher(training), self.cache(training.fold)
        config = self.config(training, str(cache.network(self.key(above))) if above else "")
        about = {"variant": training.variant.name, "seed": training.seed}
        if training.fold is not None:
            about["fold"] = training.fold
        before = self.done
        cache.train(key, config, about, self._counting(training, before))
        self.done, self.trained = before + config.epochs, self.trained + 1

    def _counting(self, training: Training, before: int) -> Callable[[Any, int], None]:
        fold = "" if training.fold is None else f", fold {training.fold}"
        who = f"{training.variant.title}{fold}, seed {training.seed}"

        def count(epoch: Any, epochs: int) -> None:
            self.done = before + epoch.number
            note = f"{who}: epoch {epoch.number} of {epochs}, valid {epoch.valid_accuracy:.1%}"
            self.progress(self.done, max(self.total, self.done), note)

        return count

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
