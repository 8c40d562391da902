"""The command that measures the claims about the networks: claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from delrec_compile.cli import completion
from delrec_compile.cli.options import Json, TorchDevice, names
from delrec_compile.cli.sweep import Cluster, Workers, place_of
from delrec_compile.cli.terminal import (
    command_line,
    counting,
    plain,
    print_json,
    show,
    show_next_build,
)

if TYPE_CHECKING:
    from delrec_compile.evaluation.claims.claim import Claims


Variants = Annotated[
    str | None,
    typer.Option(
        help="Networks to compare, separated by commas; default: those of the table.",
        autocompletion=completion.variants,
    ),
]
Paper = Annotated[
    bool,
    typer.Option("--paper", help="The networks of the papers by the authors' recipes, for SHD."),
]
Seeds = Annotated[
    int | None, typer.Option(min=1, help="Training runs per network; default: 3, with --paper 10.")
]
Cache = Annotated[
    Path | None,
    typer.Option(help="Folder of training runs; default: $DELREC_CLAIMS or your cache."),
]
Grid = Annotated[
    bool, typer.Option(help="Also ablate the taps of the kernel and the longest delay.")
]
Latency = Annotated[bool, typer.Option(help="Also compile and time the networks.")]
Quick = Annotated[
    bool, typer.Option("--quick", help="One seed, two epochs, no ablation: a first look.")
]
Recorded = Annotated[
    bool, typer.Option("--recorded", help="Train nothing; show the cached results.")
]
Folds = Annotated[
    int | None,
    typer.Option(help="Of a pool of voices: train the first of its folds only.", min=1),
]
Fix = Annotated[
    bool,
    typer.Option(
        "--fix", help="Of a pool of voices: fix these recipes from now on, and test their networks."
    ),
]
Other = Annotated[
    Path | None,
    typer.Option(help="Samples of another synthesiser, on which fixed recipes are tested too."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Another option of all networks, name=value, or of one, network.name=value. Repeatable.",
        autocompletion=completion.settings,
    ),
]
Markdown = Annotated[
    list[Path] | None,
    typer.Option("--markdown", help="Also write the tables to this file, or between its markers."),
]


def claims(
    data: Annotated[Path, typer.Argument(help="Folder of spike data.")] = Path("digits"),
    variants: Variants = None,
    paper: Paper = False,
    seeds: Seeds = None,
    folds: Folds = None,
    cache: Cache = None,
    fix: Fix = False,
    other: Other = None,
    grid: Grid = True,
    latency: Latency = True,
    quick: Quick = False,
    recorded: Recorded = False,
    settings: Settings = None,
    device: TorchDevice = None,
    workers: Workers = 1,
    cluster: Cluster = "",
    markdown: Markdown = None,
    as_json: Json = False,
) -> None:
    """Accuracy, parameters, cost and latency of every kind of network, in one table.

    Trains what the cache does not hold yet; an interrupted run goes on where it stopped.
    """
    from delrec_compile.evaluation.claims import measure
    from delrec_compile.evaluation.claims.published import PAPER_SEEDS, table_variants
    from delrec_compile.evaluation.claims.variants import settings_of
    from delrec_compile.system.files import check_writable

    chosen = None if variants is None else names(variants)
    seeds = seeds or (PAPER_SEEDS if paper else measure.SEEDS)
    options: dict[str, Any] = {"seeds": seeds, "cache": cache, "quick": quick, "recorded": recorded}
    options |= {"with_grid": grid and not (quick or paper), "with_latency": latency}
    options |= {"folds": folds, "fix": fix, "other": other, "place": place_of(workers, cluster)}
    options["variants"] = table_variants(paper, chosen)
    options["options"], options["own"] = settings_of(settings or (), device, options["variants"])
    for path in markdown or ():
        check_writable(path)
    with counting("claims") as step:
        result = measure.claims(data, progress=step, **options)
    told = {"paper": paper, "variants": ",".join(chosen or ()), "seeds": seeds, "folds": folds}
    told |= {"cache": cache, "fix": fix, "other": other, "device": device, "set": settings}
    told |= {"no-grid": not grid, "quick": quick, "no-latency": not latency, "recorded": recorded}
    _print_claims(result, command_line("claims", "DATA", *_words(told)), markdown or [], as_json)


def _words(options: Mapping[str, Any]) -> Iterator[str]:
    """Options as they are typed; those that are not given are left out."""
    for name, value in options.items():
        if value is True:
            yield f"--{name}"
        elif value:
            for word in value if isinstance(value, list) else [value]:
                yield from (f"--{name}", str(word))


def _print_claims(result: Claims, command: str, pages: list[Path], as_json: bool) -> None:
    from delrec_compile.cli import tables as cli_tables
    from delrec_compile.evaluation.claims.page import write
    from delrec_compile.evaluation.claims.table import tables

    for path in pages:
        write(path, result, command)
    if as_json:
        print_json("claims", **plain(result.as_dict()))
        return
    for title, columns, rows, note in tables(result):
        show(cli_tables.table(title, columns, rows), *([note] if note else ()))
    show(f"{result.trained} trainings, {result.seconds:,.0f} s; the others were in the cache")
    show_next_build()
