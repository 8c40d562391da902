"""The command that writes a page: report."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from delrec_compile.bundled import NETWORKS
from delrec_compile.cli.inputs import PLAIN, InputOptions, with_inputs
from delrec_compile.cli.options import DEFAULT, Force, Json
from delrec_compile.cli.terminal import (
    command_line,
    print_json,
    remark,
    saying,
    show_line,
    unused,
)

if TYPE_CHECKING:
    from delrec_compile.evaluation.page.make import Report

Reported = Annotated[
    str,
    typer.Argument(
        help="An artifact's folder, a .safetensors network, a bundled one "
        f"({', '.join(NETWORKS)}), or a file that 'compare --json' or 'claims --json' printed."
    ),
]


@partial(with_inputs, without=("limit",))
def report(
    source: Reported = DEFAULT,
    html: Annotated[
        Path | None, typer.Option(help="File of the page; without any file: report.html.")
    ] = None,
    md: Annotated[
        Path | None, typer.Option(help="Also, or only, a model card in Markdown.")
    ] = None,
    png: Annotated[
        Path | None, typer.Option(help="Also, or only, a picture; needs matplotlib.")
    ] = None,
    licence: Annotated[
        str, typer.Option("--license", help="License of the model card, such as mit.")
    ] = "",
    sample: Annotated[
        int | None,
        typer.Option(min=0, help="Sample to draw; default: that of the first difference, else 0."),
    ] = None,
    inputs: InputOptions = PLAIN,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write one page to look at: graph, spikes, delays, parity, times, memory."""
    from delrec_compile.evaluation.page.make import report as make
    from delrec_compile.evaluation.page.picture import available
    from delrec_compile.system.files import write_atomic

    files = {"--html": html, "--md": md, "--png": png}
    if not any(files.values()):
        files["--html"] = Path(unused("report.html"))
    wanted = {flag: path for flag, path in files.items() if path}
    check_files(list(wanted.values()), force)
    if png is not None:
        available()
    words = [word for pair in wanted.items() for word in pair]
    options = [] if sample is None else ["--sample", str(sample)]
    line = command_line("report", source, *words, *options, *inputs.repeated())
    with saying() as say:
        say("running the sample")
        chosen: dict[str, Any] = {
            "samples": inputs.samples,
            "reading": inputs.reading,
            "sample": sample,
        }
        made = make(source, **chosen, command=line)
    if made.remark:
        remark(made.remark)
    texts: dict[str, Callable[[], str | bytes]] = {
        "--html": made.html,
        "--md": lambda: made.markdown(licence),
        "--png": made.png,
    }
    written: dict[Path, bytes] = {}
    for flag, path in wanted.items():
        made_of = texts[flag]()
        written[path] = made_of if isinstance(made_of, bytes) else made_of.encode()
        write_atomic(path, written[path])
    _print(made, written, as_json)


def check_files(paths: list[Path], force: bool) -> None:
    """Raises InputError for a file that exists or cannot be written."""
    from delrec_compile.errors import InputError
    from delrec_compile.system.files import check_writable

    for path in paths:
        if path.exists() and not force:
            raise InputError(f"{path} exists; add --force to replace it")
        check_writable(path)


def _print(made: Report, files: dict[Path, bytes], as_json: bool) -> None:
    sizes = {str(path): len(raw) for path, raw in files.items()}
    if as_json:
        print_json("report", **made.as_dict(), files=sizes)
        return
    for path, size in sizes.items():
        show_line(f"{path}: {size:,} bytes")
