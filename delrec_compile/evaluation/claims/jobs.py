"""Trainings of claims as jobs, in this process or at workers that read the data themselves."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delrec_compile.data.folds import Folds, is_pool, load_folds
from delrec_compile.data.partition import Sets
from delrec_compile.data.sets import load_sets
from delrec_compile.errors import DataError
from delrec_compile.evaluation.claims.cache import TrainingCache
from delrec_compile.system.jobs import Tell
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.state import Epoch


def read(folder: str | Path, steps: int = TrainConfig.steps) -> Sets | Folds:
    """The pool of a folder, or its sets; steps: of a sample. Raises DataError."""
    return load_folds(folder, steps=steps) if is_pool(folder) else load_sets(folder, steps=steps)


@dataclass(frozen=True)
class Source:
    """Where a worker finds the data of a training, and keeps its result.

    digest: of its sets. steps: of a sample.
    """

    data: str
    fold: int | None
    folder: str
    digest: str
    steps: int = TrainConfig.steps

    def opened(self) -> TrainingCache:
        """The cache there. Raises DataError for other data."""
        found = _read_once(self.data, self.steps)
        pooled = isinstance(found, Folds)
        sets = found.sets(self.fold or 0) if isinstance(found, Folds) else found
        cache = TrainingCache(Path(self.folder), sets, sealed=pooled)
        if cache.data != self.digest:
            raise DataError(f"{self.data} is not the same here as where the claims were started")
        return cache


def perform(
    tell: Tell,
    *,
    cache: TrainingCache | Source,
    key: str,
    config: TrainConfig,
    about: dict[str, Any],
) -> None:
    """A job: trains, from where an earlier one was cut off, and keeps the result. Raises as `train`."""

    def told(epoch: Epoch, epochs: int) -> None:
        tell(epoch.number, epoch.of(epochs))

    store = cache if isinstance(cache, TrainingCache) else cache.opened()
    store.train(key, config, about, told)


@functools.lru_cache(maxsize=1)
def _read_once(data: str, steps: int) -> Sets | Folds:
    return read(data, steps)
