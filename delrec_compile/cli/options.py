"""The arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from delrec_compile.aliases import Numeric

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
Samples = Annotated[
    str, typer.Option("--input", "-i", help="Samples to run: .h5, .npz, or 'samples' (bundled).")
]
Limit = Annotated[int | None, typer.Option(min=1, help="Use only the first samples.")]
Model = Annotated[
    str,
    typer.Argument(
        help="A .safetensors network, or a bundled one: conv_delay_256, conv_delay_320_2_heads or "
        "dense_delay_256."
    ),
]
NumericMode = Annotated[str, typer.Option("--numeric", help=f"Numeric mode: {', '.join(Numeric)}.")]
DEFAULT = "conv_delay_256"


Devices = Annotated[
    list[str] | None,
    typer.Option(
        "--device", help="Run there: rpc://host:port/key, ssh://user@host, local. Repeatable."
    ),
]

Db = Annotated[
    Path | None,
    typer.Option("--db", help="Folder of tuned schedules; default: $DELREC_DB, or your cache."),
]
