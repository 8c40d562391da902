"""The sweep of `train`: several trainings of one data set, here or at workers elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from delrec_compile.cli.terminal import bar, note, plain, print_json, show, show_next_build

if TYPE_CHECKING:
    from delrec_compile.system.jobs import Place
    from delrec_compile.training.sweep import Row

Sweep = Annotated[
    Path | None,
    typer.Option("--sweep", help="TOML file of several trainings; -o is then their folder."),
]
Workers = Annotated[int, typer.Option(help="Processes of this machine that train [1].")]
Cluster = Annotated[
    str, typer.Option(help="Dask scheduler whose workers train, such as tcp://host:8786.")
]


def place_of(workers: int, cluster: str) -> Place:
    """Where jobs run. Raises UsageError."""
    from delrec_compile.system.jobs import Place

    return Place(workers, cluster)


def refuse_without_sweep(place: Place) -> None:
    """Raises UsageError for workers where there is one training."""
    from delrec_compile.errors import UsageError

    if not place.is_here:
        raise UsageError("--workers and --cluster share the trainings of a --sweep: add one")


def refuse_with_sweep(**options: object) -> None:
    """Raises UsageError for an option of one training that was given."""
    from delrec_compile.errors import UsageError

    for name, given in options.items():
        if given:
            raise UsageError(f"--{name} is of one training; omit it, or omit --sweep")


def run_sweep(
    data: Path,
    folder: Path,
    place: Place,
    given: tuple[Path, list[str] | tuple[()], Path | None],
    flags: dict[str, Any],
    suffix: str | None,
    as_json: bool,
) -> None:
    """Trains what the folder lacks, and prints all. Raises the first error of a run, at the end.

    given: file of the sweep, `name=value` options, and recipe. suffix: of the files of epochs.
    """
    from delrec_compile.data.sets import check_sets
    from delrec_compile.training.sweep_file import read

    runs = read(*given, **flags)
    for fold in {run.fold for run in runs}:
        check_sets(data, fold)
    from delrec_compile.training.sweep import sweep

    with bar("sweep") as step:
        step(0, sum(run.config.epochs for run in runs), f"{len(runs)} runs")
        rows = sweep(data, runs, folder, place=place, log=suffix, progress=step, remark=note)
    _print_sweep(folder, rows, as_json)
    failed = [row for row in rows if row.error]
    if failed:
        first = failed[0]
        assert first.error is not None
        text = f"{len(failed)} of {len(rows)} runs failed; {first.run.name}: {first.error}"
        raise type(first.error)(text)


def _print_sweep(folder: Path, rows: tuple[Row, ...], as_json: bool) -> None:
    from delrec_compile.cli import tables
    from delrec_compile.training.sweep import SUMMARY

    trained = sum(row.trained for row in rows)
    if as_json:
        told = [row.as_dict() for row in rows]
        print_json("sweep", folder=str(folder), trained=trained, runs=plain(told))
        return
    columns = ("run", "valid", "test", "parameters", "seconds", "network")
    show(tables.table(f"{folder}, {len(rows)} runs", columns, [_cells(row) for row in rows]))
    show(f"{trained} trained; wrote {folder / SUMMARY}")
    good = [row for row in rows if row.result]
    if good:
        best = max(good, key=lambda row: float((row.result or {})["accuracy"]["valid"]))
        show(f"best on validation samples: {best.run.name}")
        show_next_build(folder / f"{best.key}.safetensors")


def _cells(row: Row) -> tuple[str, ...]:
    found: dict[str, Any] | None = row.result
    if found is None:
        return (row.run.name, "-", "-", "-", "-", str(row.error))
    scores = (f"{found['accuracy'][name]:.1%}" for name in ("valid", "test"))
    parameters, seconds = f"{found['recurrent_parameters']:,}", f"{found['seconds']:,.0f}"
    return (row.run.name, *scores, parameters, seconds, f"{row.key}.safetensors")
