"""The commands that only show: inspect, targets, doctor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from delrec_compile.bundled import NETWORKS
from delrec_compile.cli import completion
from delrec_compile.cli.options import DEFAULT, Json
from delrec_compile.cli.terminal import print_json, show, show_next, show_next_build

Shown = Annotated[
    str,
    typer.Argument(
        help="A .safetensors network, an artifact's folder or .tar.gz, an .onnx file, a file of "
        f"samples, or a bundled network: {', '.join(NETWORKS)}.",
        autocompletion=completion.shown,
    ),
]
Fits = Annotated[
    str | None,
    typer.Option(
        "--fits",
        help="List the boards that this network fits, in place of all.",
        autocompletion=completion.models,
    ),
]
Boards = Annotated[
    str | None,
    typer.Option(
        help="With --fits: boards or other chips, separated by commas; default: all.",
        autocompletion=completion.boards,
    ),
]
Numeric = Annotated[
    str | None,
    typer.Option(
        help="With --fits: numeric mode: float32, int16 or int8 [float32].",
        autocompletion=completion.one_of(*completion.NUMERIC),
    ),
]
Samples = Annotated[
    str | None,
    typer.Option(
        "--input",
        "-i",
        help="With --fits: samples to run [auto].",
        autocompletion=completion.samples,
    ),
]


def inspect(model: Shown = DEFAULT, as_json: Json = False) -> None:
    """Show a network, an artifact, an ONNX graph or a file of samples."""
    from delrec_compile.cli.inspected import show_other
    from delrec_compile.system.recognise import recognise

    if not show_other(model, recognise(model).kind, as_json):
        _show_network(model, as_json)


def _show_network(model: str, as_json: bool) -> None:
    from delrec_compile.cli import tables
    from delrec_compile.evaluation import report
    from delrec_compile.evaluation.picture import picture
    from delrec_compile.network import checkpoint
    from delrec_compile.network.state import past, present
    from delrec_compile.network.summary import inspect as summarise

    summary = summarise(checkpoint.load(model))
    if as_json:
        print_json("inspect", **summary)
        return
    show(tables.network_table(summary), *picture(summary), "", *report.network_lines(summary), "")
    state = [
        (f"{past(s['name'])} -> {present(s['name'])}", str(["batch", *s["shape"]]), s["meaning"])
        for s in summary["onnx"]["state"]
    ]
    show(tables.table("state of the ONNX step", ("tensor", "shape", "meaning"), state))
    for key, value in summary["notes"].items():
        show(f"{key}: {value}")
    show_next_build(model, summary["name"])


def targets(
    fits: Fits = None,
    boards: Boards = None,
    numeric: Numeric = None,
    samples: Samples = None,
    as_json: Json = False,
) -> None:
    """List the targets and the boards, or, with --fits, the boards that a network fits."""
    from delrec_compile.cli import fits as fitting

    chosen = {"boards": boards, "numeric": numeric, "samples": samples}
    if fits is not None:
        fitting.show_fits(fits, {k: v for k, v in chosen.items() if v is not None}, as_json)
        return
    fitting.refuse_without_network(chosen)
    _show_targets(as_json)


def _show_targets(as_json: bool) -> None:
    from delrec_compile import targets as profiles
    from delrec_compile.cli import tables
    from delrec_compile.system.doctor import target_status

    rows = [target_status(profiles.load(name)) for name in profiles.names()]
    names = (*profiles.board_names(), *profiles.added_names())
    boards = [target_status(profiles.load(name)) for name in names]
    platforms = [target_status(profiles.load(name)) for name in profiles.platform_names()]
    if as_json:
        print_json("targets", targets=rows, boards=boards, platforms=platforms)
        return
    cells = [
        (r["name"], r["summary"], "yes" if r["ready"] else "no", ", ".join(r["numeric"]), r["fix"])
        for r in rows
    ]
    show(tables.table("targets", ("target", "summary", "ready", "numeric modes", "fix"), cells))
    show(
        tables.table(
            "boards", ("target", "summary", "flash KB", "RAM KB", "MHz"), [*map(_board, boards)]
        )
    )
    named = [(r["name"], r["summary"]) for r in platforms]
    show(tables.table("libraries for other systems", ("target", "summary"), named))
    ready = [r["name"] for r in rows if r["ready"]]
    if ready:
        show_next_build(target="x86_64" if "x86_64" in ready else ready[0])
    else:
        show_next("doctor")


def _board(row: Mapping[str, Any]) -> tuple[str, ...]:
    figures = (row[key] for key in ("flash_kb", "ram_kb", "clock_mhz"))
    return (row["name"], row["summary"], *("" if f is None else f"{f:g}" for f in figures))


def doctor(as_json: Json = False) -> None:
    """Probe every tool that a command may need; exit 5 when a build for this machine lacks one."""
    from delrec_compile.cli import tables
    from delrec_compile.system.doctor import doctor as probe

    findings = probe()
    bad = [f for f in findings if f.required and not f.ok]
    if as_json:
        print_json("doctor", findings=[asdict(f) for f in findings], ready=not bad)
    else:
        columns = ("tool", "state", "found", "needed for", "fix")
        show(tables.table("this machine", columns, tables.finding_rows(findings)))
    if bad:
        raise typer.Exit(5)
    if not as_json:
        show_next_build()
