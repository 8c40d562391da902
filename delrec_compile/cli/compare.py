"""The commands over many targets and on boards: compare, flash."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from delrec_compile.cli import completion
from delrec_compile.cli.inputs import PLAIN, InputOptions, chosen, with_inputs
from delrec_compile.cli.options import DEFAULT, AllowSilent, Artifact, Json, Model, Target
from delrec_compile.cli.terminal import (
    command_line,
    counting,
    print_json,
    saying,
    show,
    show_line,
    show_next,
)
from delrec_compile.errors import printable

if TYPE_CHECKING:
    from delrec_compile.evaluation.compare.result import Comparison

BOARD = "cortex_m4"
OUT = "delrec-compare"
Size = str | None
Targets = Annotated[
    str,
    typer.Option(
        "--targets",
        "-t",
        help="Targets separated by commas, or all.",
        autocompletion=completion.target_lists,
    ),
]
Numerics = Annotated[
    str,
    typer.Option(
        help="Numeric modes, separated by commas: float32, int16, int8.",
        autocompletion=completion.numeric_lists,
    ),
]


@with_inputs
def compare(
    model: Model = DEFAULT,
    targets: Targets = "all",
    numeric: Numerics = "float32",
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder in which artifacts are stored and reused.")
    ] = Path(OUT),
    inputs: InputOptions = PLAIN,
    max_us: Annotated[float | None, typer.Option(help="Maximum microseconds per step.")] = None,
    max_instructions: Annotated[
        int | None, typer.Option(help="Maximum mean instructions per step.")
    ] = None,
    max_flash: Annotated[
        Size, typer.Option(help="Maximum flash, such as 115k, 128K, 4.3KB.")
    ] = None,
    max_ram: Annotated[Size, typer.Option(help="Maximum RAM, excluding stack.")] = None,
    html: Annotated[
        Path | None, typer.Option(help="Also write a page to this HTML file; see 'report'.")
    ] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Rebuild every artifact.")] = False,
    allow_silent: AllowSilent = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the HTML file.")] = False,
    as_json: Json = False,
) -> None:
    """Build, check and time one network on many targets; exit 7 when a budget is missed."""
    from delrec_compile.evaluation.compare.budgets import Budgets
    from delrec_compile.network import checkpoint

    budgets = Budgets.parse(max_us, max_instructions, max_flash, max_ram)
    options = {"numeric": numeric.split(","), "out": out, "limit": inputs.limit}
    options |= {"rebuild": rebuild, "budgets": budgets, "allow_silent": allow_silent}
    network = checkpoint.load(model)
    _check_page(html, force)
    _check_request(targets.split(","), options)
    options |= {"samples": chosen(network, inputs)}
    comparison = _compare(network, targets.split(","), options)
    if html is not None:
        line = command_line("compare", model, "--targets", targets, "--numeric", numeric)
        _write_page(html, comparison, network, options["samples"], line)
    _print_comparison(comparison, inputs, as_json)


def _check_page(html: Path | None, force: bool) -> None:
    """Raises InputError for a page that exists or cannot be written."""
    from delrec_compile.errors import InputError
    from delrec_compile.system.files import check_writable

    if html is None:
        return
    if html.exists() and not force:
        raise InputError(f"{html} exists; add --force to replace it")
    check_writable(html)


def _check_request(targets: list[str], options: dict[str, Any]) -> None:
    """Raises UsageError and UnsupportedError before inputs are drawn."""
    from delrec_compile.evaluation.compare.run import requested

    requested(targets, options["numeric"], options["budgets"])


def _compare(network: Any, targets: list[str], options: dict[str, Any]) -> Comparison:
    from delrec_compile.evaluation.compare.run import compare as compare_targets

    try:
        with counting("comparing") as step:
            return compare_targets(network, targets, progress=step, **options)
    except KeyboardInterrupt:
        text = (
            f"artifacts built so far stay in {options['out']}; "
            "run the same command to continue from them"
        )
        print(printable(text), file=sys.stderr)
        raise


def _write_page(html: Path, comparison: Comparison, network: Any, samples: Any, line: str) -> None:
    from delrec_compile.evaluation.page.make import of_comparison
    from delrec_compile.system.files import write_atomic

    made = of_comparison(comparison, network, samples, line)
    write_atomic(html, made.html().encode())


def _print_comparison(comparison: Comparison, inputs: InputOptions, as_json: bool) -> None:
    """Raises the error that sums up the rows, after they are printed."""
    from delrec_compile.cli import tables
    from delrec_compile.evaluation.compare.table import lines

    if as_json:
        print_json("compare", **comparison.as_dict())
    else:
        show(tables.comparison_table(comparison))
        for line in lines(comparison):
            show_line(line)
    if error := comparison.error():
        raise error
    if not as_json:
        built = [r for r in comparison.rows if r.artifact]
        first = ([r for r in built if r.how == "native"] or built)[0]
        verb = "bench" if first.how == "native" else "run"
        show_next(verb, first.artifact, *inputs.repeated())


def flash(
    artifact: Artifact = None,
    target: Target = BOARD,
    probe: Annotated[
        str | None, typer.Option(help="ID of the probe or board, if there are several.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Run the command.")] = False,
    as_json: Json = False,
) -> None:
    """Print the command that flashes the program onto its board; --yes runs it."""
    from delrec_compile.artifact.flash import flash as run_tool
    from delrec_compile.artifact.flash import flash_command

    with saying() as say:
        plan = flash_command(artifact or _bundled_artifact(target, say), probe)
        output = None
        if yes:
            say(f"running {plan.line}")
            output = run_tool(plan)
    if as_json:
        print_json("flash", **plan.as_dict(), ran=yes, output=output)
        return
    if output is not None:
        for line in output.rstrip().splitlines():
            show_line(line)
        show_next("run", plan.artifact)
        return
    for line in plan.setup:
        show_line(f"once, if {plan.tool} does not support {plan.device} yet: {line}")
    show_line(plan.line)
    show_next("flash", plan.artifact, *(["--probe", probe] if probe else ()), "--yes")


def _bundled_artifact(target: str, say: Any) -> Path:
    """The bundled network for a board; raises UnsupportedError for a target without one."""
    from delrec_compile.artifact.flash import check_flashable
    from delrec_compile.evaluation.compare.cache import cached_build
    from delrec_compile.network import checkpoint

    check_flashable(target)
    network = checkpoint.load(DEFAULT)
    return cached_build(network, target, out=Path(OUT), progress=say)[0].path
