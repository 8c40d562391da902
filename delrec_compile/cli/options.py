"""The arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from delrec_compile.bundled import DEFAULT as DEFAULT
from delrec_compile.bundled import NETWORKS
from delrec_compile.cli import completion

FLOAT32 = "float32"

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Force = Annotated[bool, typer.Option("--force", help="Replace existing files.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Use only the first samples.")]
AllowSilent = Annotated[
    bool,
    typer.Option("--allow-silent", help="Accept a check in which no neuron fires [exit 6]."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Any other option of the recipe, as name=value. Repeatable.",
        autocompletion=completion.settings,
    ),
]
TorchDevice = Annotated[
    str | None,
    typer.Option(
        help="Torch device: cpu (default) or cuda.",
        autocompletion=completion.one_of("cpu", "cuda"),
    ),
]
Model = Annotated[
    str,
    typer.Argument(
        help=f"A .safetensors network, or a bundled one: {', '.join(NETWORKS)}.",
        autocompletion=completion.models,
    ),
]
Target = Annotated[
    str,
    typer.Option(
        "--target",
        "-t",
        help="Target profile; see 'targets'.",
        autocompletion=completion.targets,
    ),
]
NumericMode = Annotated[
    str,
    typer.Option(
        "--numeric",
        help="Numeric mode: float32, int16 or int8; 'targets' lists those of each target.",
        autocompletion=completion.one_of(*completion.NUMERIC),
    ),
]
Calibration = Annotated[
    Path | None,
    typer.Option(
        "--calibrate",
        help="Samples to calibrate integer modes on, of training data: as --input.",
        autocompletion=completion.samples,
    ),
]
Name = Annotated[
    str | None,
    typer.Option(
        "--name", help="Name of the network, prefix of files and C symbols [that of its file]."
    ),
]
Cpu = Annotated[
    str | None,
    typer.Option("--cpu", help="LLVM's CPU name, such as x86-64-v3, or a GPU's, such as sm_90."),
]
Devices = Annotated[
    list[str] | None,
    typer.Option(
        "--device",
        help="Device to run on: rpc://host:port/key, ssh://user@host, local. Repeatable.",
    ),
]
Db = Annotated[
    Path | None,
    typer.Option("--db", help="Folder of tuned schedules; default: $DELREC_DB, or your cache."),
]
Artifact = Annotated[
    Path | None,
    typer.Argument(
        help="An artifact folder; by default the bundled network is built.",
        autocompletion=completion.artifacts,
    ),
]
Runnable = Annotated[
    Path,
    typer.Argument(
        help="An artifact folder, an .onnx file or a .safetensors network.",
        autocompletion=completion.runnables,
    ),
]


def refuse_calibration(calibrate: Path | None, numeric: str) -> None:
    """Raises UsageError for samples to calibrate a mode on that takes none."""
    from delrec_compile.errors import UsageError

    if calibrate is not None and numeric == FLOAT32:
        raise UsageError(
            f"--calibrate: {FLOAT32} is not calibrated; omit it, or add --numeric int8"
        )


def check_store(db: Path | None) -> None:
    """Raises InputError for a folder of tuned schedules that was named and is not there."""
    from delrec_compile.errors import InputError

    if db is not None and not db.is_dir():
        raise InputError(f"--db {db}: no such folder; 'delrec-compile tune' makes one")


def names(text: str) -> tuple[str, ...]:
    """The names of a list with commas, without blanks and empty ones."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
