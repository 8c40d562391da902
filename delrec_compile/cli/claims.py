"""The command that measures the claims about the networks: claims."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from delrec_compile.cli.options import Json
from delrec_compile.cli.terminal import counting, plain, print_json, show, show_next


def claims(
    data: Annotated[Path, typer.Argument(help="Folder of spike data.")] = Path("digits"),
    variants: Annotated[
        str | None,
        typer.Option(help="Networks to compare, with commas; default: those of the table."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each network.")] = 3,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder of trainings; default: $DELREC_CLAIMS or your cache."),
    ] = None,
    grid: Annotated[
        bool, typer.Option(help="The ablation over taps of the kernel and longest delays too.")
    ] = True,
    latency: Annotated[bool, typer.Option(help="Compile and time the networks too.")] = True,
    quick: Annotated[
        bool, typer.Option("--quick", help="One seed, two epochs, no ablation: to see it work.")
    ] = False,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="Train nothing: show what the cache holds.")
    ] = False,
    markdown: Annotated[
        list[Path] | None,
        typer.Option("--markdown", help="Write the tables to this file too, or between its marks."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Accuracy, parameters, cost and latency of every kind of network, in one table.

    Trains what the cache does not hold yet; a run that was cut off goes on.
    """
    from delrec_compile.cli import tables as cli_tables
    from delrec_compile.evaluation.claims.measure import claims as measure
    from delrec_compile.evaluation.claims.page import write
    from delrec_compile.evaluation.claims.table import tables
    from delrec_compile.evaluation.claims.variants import VARIANTS, select_variants
    from delrec_compile.system.files import check_writable

    names = None if variants is None else [v.strip() for v in variants.split(",") if v.strip()]
    chosen = VARIANTS if names is None else select_variants(names)
    for path in markdown or ():
        check_writable(path)
    with counting("claims") as step:
        found = measure(
            data,
            variants=chosen,
            seeds=seeds,
            cache=cache,
            quick=quick,
            with_grid=grid and not quick,
            with_latency=latency,
            recorded=recorded,
            progress=step,
        )
    told = ("" if names is None else f" --variants {','.join(names)}") + f" --seeds {seeds}"
    told += f" --cache {cache}" if cache else ""
    told += ("" if grid else " --no-grid") + (" --quick" if quick else "")
    told += ("" if latency else " --no-latency") + (" --recorded" if recorded else "")
    for path in markdown or ():
        write(path, found, f"delrec-compile claims DATA{told}")
    if as_json:
        print_json("claims", **plain(found.as_dict()))
        return
    for title, columns, rows, note in tables(found):
        show(cli_tables.table(title, columns, rows), *([note] if note else ()))
    show(f"{found.trained} trainings, {found.seconds:,.0f} s; the others were in the cache")
    show_next("delrec-compile build")
