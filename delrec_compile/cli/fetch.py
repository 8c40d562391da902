"""The command that downloads published spike data: data fetch."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from delrec_compile.cli import completion
from delrec_compile.cli.options import Force, Json
from delrec_compile.cli.terminal import bar, plain, print_json, show, show_next, unused

NAMES = ("shd", "ssc")
MB = 1_000_000


def fetch(
    name: Annotated[
        str,
        typer.Argument(
            help="shd: spoken digits. ssc: speech commands.",
            autocompletion=completion.one_of(*NAMES),
        ),
    ],
    out: Annotated[Path, typer.Argument(help="Folder to create.")],
    url: Annotated[
        str | None, typer.Option(help="Folder of the archives, where they have moved.")
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Download SHD or SSC (CC BY 4.0), verified; the same command continues one that was cut."""
    from delrec_compile.data.fetch import fetch as bring

    with bar("downloading, MB") as step:
        made = bring(
            name,
            out,
            url=url,
            force=force,
            progress=lambda file, done, total: step(done // MB, -(-total // MB), file),
        )
    if as_json:
        print_json("data-fetch", **plain(asdict(made)))
        return
    show(*(f"{path}: {path.stat().st_size:,} bytes" for path in made.files.values()))
    show(f"licence: {made.licence}", f"please cite: {made.citation}")
    show_next("train", out, "-o", unused("net.safetensors"))
