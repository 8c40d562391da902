"""The command that makes an artifact one file for another installer: package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from delrec_compile.cli import completion
from delrec_compile.cli.options import Force, Json
from delrec_compile.cli.terminal import note, print_json, show_line


def package(
    artifact: Annotated[
        Path, typer.Argument(help="An artifact folder.", autocompletion=completion.artifacts)
    ],
    wheel: Annotated[
        bool, typer.Option("--wheel", help="A Python wheel of a library; it needs NumPy alone.")
    ] = False,
    npm: Annotated[bool, typer.Option("--npm", help="An npm package of WebAssembly.")] = False,
    arduino: Annotated[
        bool, typer.Option("--arduino", help="An Arduino library of C sources, a ZIP.")
    ] = False,
    zephyr: Annotated[
        bool, typer.Option("--zephyr", help="A Zephyr module of C sources, a ZIP.")
    ] = False,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the package.")] = Path(),
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Pack an artifact for pip, npm, Arduino or Zephyr."""
    from delrec_compile.artifact.packed.make import package as make
    from delrec_compile.errors import UsageError

    given = {"wheel": wheel, "npm": npm, "arduino": arduino, "zephyr": zephyr}
    kinds = [kind for kind, wanted in given.items() if wanted]
    if len(kinds) != 1:
        raise UsageError(f"{len(kinds)} kinds of package; one is required: --{', --'.join(given)}")
    path = make(artifact, kinds[0], out, force)
    if as_json:
        print_json("package", path=str(path), kind=kinds[0], bytes=path.stat().st_size)
        return
    show_line(f"{path}: {path.stat().st_size:,} bytes")
    show_line(HOW[kinds[0]].format(path=path))
    if "-linux_" in path.name:
        note("it is for CPUs like the one that it was built for; build with --cpu x86-64 for all")


HOW = {
    "wheel": "install it: pip install {path}",
    "npm": "install it: npm install {path}",
    "arduino": "add it in the Arduino IDE: Sketch, Include Library, Add .ZIP Library",
    "zephyr": "unpack it; its folder goes into ZEPHYR_EXTRA_MODULES",
}
