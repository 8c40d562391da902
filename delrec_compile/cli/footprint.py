"""The command that measures a compiled network as a bare C program: footprint."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from delrec_compile.cli import completion
from delrec_compile.cli.inputs import PLAIN, InputOptions, chosen, with_inputs
from delrec_compile.cli.options import DEFAULT, Artifact, Json, names
from delrec_compile.cli.terminal import counting, print_json, saying, show, show_next
from delrec_compile.system.folders import work_folder

if TYPE_CHECKING:
    from delrec_compile.evaluation.footprint.measure import Footprint, FootprintRow

COLUMNS = ("program", "memory", "cold start ms", "of CPU", "on disk", "times memory", "times start")
NO_FIGURE = "-"
KIB, MIB = 1 << 10, 1 << 20


@partial(with_inputs, without=("limit",))
def footprint(
    path: Artifact = None,
    inputs: InputOptions = PLAIN,
    rows: Annotated[
        str,
        typer.Option(
            help="Programs to run, separated by commas; default: all.",
            autocompletion=completion.programs,
        ),
    ] = "",
    rounds: Annotated[int, typer.Option(min=1, help="Processes to start for each baseline.")] = 5,
    as_json: Json = False,
) -> None:
    """Memory, cold start and size of an artifact as a bare C program, beside Python baselines."""
    from delrec_compile.compiler.build import build
    from delrec_compile.evaluation.footprint.measure import footprint as measure
    from delrec_compile.evaluation.footprint.programs import NAMES, check_names
    from delrec_compile.network import checkpoint
    from delrec_compile.runners.open import artifact_taker

    programs = names(rows) or NAMES
    check_names(programs)
    with work_folder() as folder:
        artifact = path or folder / "artifact"
        if path is None:
            with saying() as say:
                build(checkpoint.load(DEFAULT), out=artifact, progress=say)
        samples = chosen(artifact_taker(artifact), inputs)
        with counting("measuring") as step:
            result = measure(artifact, samples, rows=programs, rounds=rounds, progress=step)
    if as_json:
        print_json("footprint", **result.as_dict())
        return
    _print_footprint(result)
    show_next("bench", *([path, *inputs.repeated()] if path else ()))


def _print_footprint(result: Footprint) -> None:
    from delrec_compile.cli import tables

    show(tables.table("footprint", COLUMNS, map(_cells, result.rows)))
    s, p = result.state, result.parts
    show(
        f"state of one stream: {s['bytes']:,} bytes ({s['bytes_without_padding']:,} without padding); "
        f"each of {s['streams']:,} streams adds {s['resident_bytes_per_stream']:,.0f} bytes of memory",
        f"library: {p['file']:,} bytes: {p['code']:,} of code, {p['constants']:,} of constants, "
        f"{p['variables']:,} of variables",
        *_skipped(result),
    )


def _skipped(result: Footprint) -> Iterator[str]:
    for row in result.rows:
        if row.skipped:
            yield f"skipped {row.title}: {row.skipped}"


def _cells(row: FootprintRow) -> tuple[str, ...]:
    return (
        row.title,
        _bytes(row.rss_bytes),
        _figure(row.cold_start_ms, ",.2f"),
        _figure(row.cold_start_cpu_ms, ",.2f"),
        _bytes(row.disk_bytes),
        _figure(row.ratio_rss, ",.1f", "x"),
        _figure(row.ratio_cold_start, ",.1f", "x"),
    )


def _figure(value: float | None, form: str, unit: str = "") -> str:
    return NO_FIGURE if value is None else f"{value:{form}}{unit}"


def _bytes(value: int | None) -> str:
    if value is None or value < MIB:
        return _figure(None if value is None else value / KIB, ",.0f", " KiB")
    return f"{value / MIB:,.1f} MiB"
