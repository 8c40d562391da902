"""Trainings of one data set with several options: each a job, kept in a folder by its key."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from delrec_compile.aliases import StageProgress
from delrec_compile.data.partition import Sets, sets_digest
from delrec_compile.errors import DataError, DelrecError, UsageError
from delrec_compile.network import checkpoint
from delrec_compile.system.cluster import finished
from delrec_compile.system.fields import parse_json
from delrec_compile.system.files import check_writable, write_atomic
from delrec_compile.system.jobs import HERE, Job, Place, Tell
from delrec_compile.training import loop
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.keys import TRAINER, keyed_options, training_key
from delrec_compile.training.state import Epoch, forget
from delrec_compile.training.sweep_file import Run

SCHEMA, SUMMARY = "delrec.sweep-run/1", "results.json"


@dataclass(frozen=True)
class Row:
    """A run and what became of it. result: the contents of `<key>.json`; None with an error."""

    run: Run
    key: str
    result: dict[str, Any] | None
    error: DelrecError | None = None
    trained: bool = False  # by this call

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON has it."""
        told = {"name": self.run.name, "fold": self.run.fold, "key": self.key}
        told["error"] = str(self.error or "") or None
        return {**told, **(self.result or {"config": keyed_options(self.run.config)})}


def sweep(
    data: str | Path,
    runs: Sequence[Run],
    folder: Path,
    *,
    place: Place = HERE,
    log: str | None = ".epochs.csv",
    progress: StageProgress = lambda _done, _total, _text: None,
    remark: Callable[[str], None] = lambda _text: None,
) -> tuple[Row, ...]:
    """Trains the runs that the folder does not hold yet; the rows, in the order of the runs.

    data: a folder, see `load_sets`; workers elsewhere see it, and `folder`, under the same paths. log:
    what the files of epochs end in, .csv or .jsonl. progress(done, total, text) counts epochs.
    remark: told what the data lacks. What a training refuses is raised before the first begins:
    DataError, UsageError, CheckpointError, DeviceError; what ends one later stands in its row. Raises
    what `finished` raises.
    """
    check_writable(folder / SUMMARY)
    data, folder = Path(data).absolute(), folder.absolute()
    try:
        rows, digests = _planned(data, runs, folder, place, remark)
        jobs = [
            Job(name, _arguments(data, folder, row, digests[name], log), row.run.config.epochs)
            for name, row in rows.items()
            if row.result is None
        ]
        with closing(finished(f"{__name__}:perform", jobs, place, progress, folder)) as ended:
            for done in ended:
                name, error = done.job.name, done.error
                trained = error is None
                rows[name] = replace(rows[name], result=done.value, error=error, trained=trained)
                _summarise(folder, rows.values())
    finally:
        _sets.cache_clear()
    _summarise(folder, rows.values())
    return tuple(rows.values())


def perform(
    tell: Tell,
    *,
    data: str,
    digest: str,
    run: Run,
    key: str,
    folder: str,
    log: str | None,
) -> dict[str, Any]:
    """A job: trains from where an earlier one was cut off, and keeps network, result and epochs.

    digest: of the sets that `data` has to hold. Raises DataError for others, and as `train`.
    """
    config = run.config
    sets, found = _sets(data, *_reading(run))
    if found != digest:
        raise DataError(f"{data} is not the same here as where the sweep was started")
    state, rows = Path(folder) / f"{key}.unfinished", Path(folder) / f"{key}{log}"

    def told(epoch: Epoch, epochs: int) -> None:
        tell(epoch.number, epoch.of(epochs))

    files: dict[str, Any] = {"state": state, "resume": True, "log": rows if log else None}
    done = loop.train(sets, config, told, **files, fold=run.fold)
    checkpoint.save(done.network, _network(Path(folder), key))
    result = {
        "schema": SCHEMA,
        "key": key,
        "trainer": TRAINER,
        "config": keyed_options(config),
        "data": digest,
        "accuracy": done.accuracy,
        "recurrent_parameters": done.recurrent_parameters,
        "seconds": done.seconds,
        "history": [asdict(epoch) for epoch in done.history],
        "versions": {n: importlib.metadata.version(n) for n in ("torch", "numpy")},
        "network_sha256": checkpoint.digest(done.network),
    }
    write_atomic(Path(folder) / f"{key}.json", (json.dumps(result, indent=1) + "\n").encode())
    forget(state)
    return result


def _planned(
    data: Path, runs: Sequence[Run], folder: Path, place: Place, remark: Callable[[str], None]
) -> tuple[dict[str, Row], dict[str, str]]:
    """The rows by name, with what the folder holds, and the digests of their data.

    Raises what a training would refuse, and UsageError for runs that are the same training.
    """
    rows: dict[str, Row] = {}
    digests: dict[str, str] = {}
    names: dict[str, str] = {}
    remarks = set()
    for run in sorted(runs, key=_reading):
        config = run.config
        # the GPU is that of the worker
        seen = replace(config, device="cpu") if place.address else config
        sets, digests[run.name] = _sets(str(data), *_reading(run))
        if sets.remark and sets.remark not in remarks:
            remark(sets.remark)
            remarks.add(sets.remark)
        try:
            loop.check(sets, seen)
        except UsageError as error:
            raise UsageError(f"run {run.name}: {error}") from error
        teacher = checkpoint.digest(checkpoint.load(config.teacher)) if config.teacher else ""
        key = training_key(config, digests[run.name], teacher)
        if key in names:
            raise UsageError(f"the runs {names[key]} and {run.name} are the same training")
        names[key] = run.name
        rows[run.name] = Row(run, key, _kept(folder, key))
    return {run.name: rows[run.name] for run in runs}, digests


def _reading(run: Run) -> tuple[float, int, int, int]:
    """How the data of a run are read; -1: no fold is given."""
    config = run.config
    return config.dt_ms, config.steps, config.group, -1 if run.fold is None else run.fold


@functools.lru_cache(maxsize=1)
def _sets(data: str, dt_ms: float, steps: int, group: int, fold: int) -> tuple[Sets, str]:
    """The sets of a folder and their digest, kept for the next job of this process."""
    config = TrainConfig(dt_ms=dt_ms, steps=steps, group=group)
    sets = loop.read(data, config, None if fold < 0 else fold)
    return sets, sets_digest(sets)


def _arguments(data: Path, folder: Path, row: Row, digest: str, log: str | None) -> dict[str, Any]:
    run = row.run
    if run.config.teacher:
        teacher = str(Path(run.config.teacher).absolute())
        run = replace(run, config=replace(run.config, teacher=teacher))
    places = {"data": str(data), "folder": str(folder), "log": log}
    return {**places, "digest": digest, "run": run, "key": row.key}


def _network(folder: Path, key: str) -> Path:
    return folder / f"{key}.safetensors"


def _kept(folder: Path, key: str) -> dict[str, Any] | None:
    """The result of an earlier run, whose network is there. Raises DataError for a damaged file."""
    path = folder / f"{key}.json"
    if not path.exists() or not _network(folder, key).exists():
        return None
    try:
        result = parse_json(path.read_text())
        if result["schema"] == SCHEMA and result["key"] == key:
            scores = [result["accuracy"][name] for name in ("valid", "test")]
            if not all(
                map(math.isfinite, [*scores, result["recurrent_parameters"], result["seconds"]])
            ):
                raise ValueError("a figure is not finite")
            return dict(result)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error!r}); remove it to train again") from error
    raise DataError(f"{path} is of another version or another run; remove it to train again")


def _summarise(folder: Path, rows: Iterable[Row]) -> None:
    """Writes what is known of all runs."""
    told = [{k: v for k, v in row.as_dict().items() if k != "history"} for row in rows]
    text = json.dumps({"schema": "delrec.sweep/1", "runs": told}, indent=1) + "\n"
    write_atomic(folder / SUMMARY, text.encode())
