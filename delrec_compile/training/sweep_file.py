"""The runs of a sweep, of a TOML file: options, lists of values, and runs of their own."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delrec_compile.errors import DelrecError, UsageError
from delrec_compile.training import config_file
from delrec_compile.training.config import TrainConfig, kinds

LISTS, RUNS, NAME = "sweep", "run", "name"  # its tables, and the key of a run's name
FOLD = "fold"  # of the data, beside the options of a training
KINDS = {**kinds(), FOLD: int}
Options = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One training of a sweep. fold: of a pool of voices."""

    name: str
    config: TrainConfig
    fold: int | None = None


def read(
    path: str | Path,
    options: Iterable[str] = (),
    file: str | Path | None = None,
    **values: Any,
) -> tuple[Run, ...]:
    """The runs of a file: each of its `[[run]]` tables with each combination of its `[sweep]` lists.

    Their options are those of `file`, then those of `path` beside its tables, then the `name=value`
    of `options`, then `values` that are not None, then their own. Raises InputError, UsageError.
    """
    where = f"--sweep {path}"
    found = config_file.tables(where, path)
    lists = _lists(where, found.pop(LISTS, {}))
    runs = _runs(where, found.pop(RUNS, []))
    base = config_file.read(file, kinds()) if file is not None else {}
    given = config_file.parse(options, kinds())
    given |= {name: value for name, value in values.items() if value is not None}
    base |= config_file.typed(where, found, KINDS) | given
    own = {name for _, run in runs for name in run}
    for name in sorted({*lists, *own} & {*given}):
        raise UsageError(
            f"{where} gives {name}, and so does the command line; omit it in one of them"
        )
    for name in sorted({*lists} & own):
        raise UsageError(f"{where} gives {name} in [{LISTS}] and in a [[{RUNS}]]; only one of them")
    made = [_made(where, base, *one) for one in _combined(lists, runs)]
    for name, count in Counter(run.name for run in made).items():
        if count > 1:
            raise UsageError(f"{where} has {count} runs named {name}; give each its own name")
    return tuple(made)


def _lists(where: str, table: Any) -> dict[str, list[Any]]:
    """The values of each option that varies. Raises UsageError."""
    if not isinstance(table, dict):
        raise UsageError(f"{where}: [{LISTS}] is a table of lists, such as lr = [0.001, 0.002]")
    lists = {}
    for name, several in table.items():
        if not isinstance(several, list) or not several:
            raise UsageError(
                f"{where}: {name} in [{LISTS}] is {several!r}; a list of values is required"
            )
        typed = (config_file.typed(f"{where}, [{LISTS}]", {name: v}, KINDS) for v in several)
        lists[name] = [one[name] for one in typed]
    return lists


def _runs(where: str, tables: Any) -> list[tuple[str, Options]]:
    """The runs of their own, by name, or one without options. Raises UsageError."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{where}: each run is a table of options under [[{RUNS}]]")
    runs = []
    for number, table in enumerate(tables, 1):
        name = table.pop(NAME, "")
        if not isinstance(name, str):
            raise UsageError(f"{where}, run {number}: the name is {name!r}; text is required")
        options = config_file.typed(f"{where}, run {name or number}", table, KINDS)
        runs.append((name or _text(options), options))
    return runs or [("", {})]


def _combined(
    lists: Mapping[str, list[Any]], runs: Iterable[tuple[str, Options]]
) -> Iterator[tuple[str, Options]]:
    """Name and options of each combination."""
    for name, options in runs:
        for values in itertools.product(*lists.values()):
            varied = dict(zip(lists, values, strict=True))
            yield " ".join(part for part in (name, _text(varied)) if part), {**options, **varied}


def _text(options: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in options.items())


def _made(where: str, base: Options, name: str, options: Options) -> Run:
    name = name or "base"
    values = base | options
    fold = values.pop(FOLD, None)
    try:
        return Run(name, TrainConfig(**values), fold)
    except DelrecError as error:
        raise UsageError(f"{where}, run {name}: {error}") from error
