"""The commands over many targets and on boards: compare, flash."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from delrec_compile.cli.options import DEFAULT, Json, Model, Samples
from delrec_compile.cli.terminal import counting, print_json, saying, show, show_next

BOARD = "cortex_m4"
OUT = "out/compare"
Size = str | None


def compare(
    model: Model = DEFAULT,
    targets: Annotated[
        str, typer.Option("--targets", "-t", help="Targets with commas, or all.")
    ] = "all",
    numeric: Annotated[str, typer.Option(help="Numbers inside, with commas: float32.")] = "float32",
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Where artifacts are kept and found again.")
    ] = Path(OUT),
    samples: Samples = "samples",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Use only the first samples, for a quick look.")
    ] = None,
    max_us: Annotated[float | None, typer.Option(help="Most microseconds per step.")] = None,
    max_instructions: Annotated[
        int | None, typer.Option(help="Most instructions per step, in the mean.")
    ] = None,
    max_flash: Annotated[Size, typer.Option(help="Most flash, as 115k, 128K, 4.3KB.")] = None,
    max_ram: Annotated[Size, typer.Option(help="Most RAM, without stack.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the table here too.")] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Build what is there again.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the HTML file.")] = False,
    as_json: Json = False,
) -> None:
    """Build, check and time one network on many targets; exit 7 when a budget is missed."""
    from delrec_compile.cli import comparison_page
    from delrec_compile.errors import InputError
    from delrec_compile.evaluation.compare.budgets import Budgets, parse_size
    from delrec_compile.evaluation.compare.run import compare as compare_targets
    from delrec_compile.network import checkpoint
    from delrec_compile.system.files import check_writable, write_atomic

    budgets = Budgets(
        max_us,
        max_instructions,
        parse_size(max_flash, "--max-flash") if max_flash is not None else None,
        parse_size(max_ram, "--max-ram") if max_ram is not None else None,
    )
    network = checkpoint.load(model)
    if html is not None:
        if html.exists() and not force:
            raise InputError(f"{html} exists; add --force to replace it")
        check_writable(html)
    try:
        with counting("comparing") as step:
            found = compare_targets(
                network,
                targets.split(","),
                numeric=numeric.split(","),
                out=out,
                samples=samples,
                limit=limit,
                budgets=budgets,
                rebuild=rebuild,
                progress=step,
            )
    except KeyboardInterrupt:
        print(f"what is built stays in {out}; the same command goes on from it", file=sys.stderr)
        raise
    if html is not None:
        write_atomic(html, comparison_page.page(found).encode())
    if as_json:
        print_json("compare", **found.as_dict())
    else:
        show(comparison_page.table(found))
        for line in comparison_page.lines(found):
            print(line)
    if error := found.error():
        raise error
    if not as_json:
        made = [r for r in found.rows if r.artifact]
        native = [r for r in made if r.how == "native"] or made
        verb = "bench" if native[0].how == "native" else "run"
        show_next(f"delrec-compile {verb} {native[0].artifact}")


def flash(
    artifact: Annotated[
        Path | None,
        typer.Argument(help="An artifact folder; by default the bundled one is built and kept."),
    ] = None,
    target: Annotated[
        str, typer.Option("--target", "-t", help="Target of the default artifact.")
    ] = BOARD,
    probe: Annotated[
        str | None, typer.Option(help="Which probe or board of several, by its id.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Run the command.")] = False,
    as_json: Json = False,
) -> None:
    """Print the command that puts the program on its board; --yes runs it."""
    from delrec_compile.artifact.flash import flash as run_tool
    from delrec_compile.artifact.flash import flash_command, known_board
    from delrec_compile.evaluation.compare.cache import cached_build
    from delrec_compile.network import checkpoint

    with saying() as say:
        if artifact is None:
            known_board(target)
            network = checkpoint.load(DEFAULT)
            artifact = cached_build(network, target, out=Path(OUT), progress=say)[0].path
        plan = flash_command(artifact, probe)
        said = None
        if yes:
            say(f"running {plan.line}")
            said = run_tool(plan)
    if as_json:
        print_json("flash", **plan.as_dict(), ran=yes, output=said)
        return
    if said is not None:
        print(said.rstrip())
        show_next(f"delrec-compile run {plan.artifact}")
        return
    for line in plan.setup:
        print(f"once, where {plan.tool} does not know {plan.device} yet: {line}")
    print(plan.line)
    show_next(f"delrec-compile flash {shlex.quote(str(plan.artifact))} --yes")
