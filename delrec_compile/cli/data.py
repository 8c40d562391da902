"""The commands about data: data info, and those of `synth.py` and `fetch.py`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from delrec_compile.cli.fetch import fetch
from delrec_compile.cli.options import DEFAULT, Json
from delrec_compile.cli.synth import synth
from delrec_compile.cli.terminal import (
    note,
    plain,
    print_json,
    saying,
    show,
    show_next,
    unused,
)

if TYPE_CHECKING:
    from delrec_compile.data.summary import CountsInfo, Info

data_app = typer.Typer(
    help="Spike data: synthesise spoken digits, download SHD and SSC, inspect files.",
    no_args_is_help=True,
)


data_app.command("synth")(synth)
data_app.command("fetch")(fetch)


@data_app.command("info")
def data_info(
    file: Annotated[
        str,
        typer.Argument(
            help="A file of samples: .h5, .npz, .npy, .csv, a folder of spike data, or 'samples'."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Show the contents of a file of samples."""
    from delrec_compile.data.events import REMARK_SHARE
    from delrec_compile.data.samples import describe_samples
    from delrec_compile.data.summary import Info

    with saying(brief=True) as say:
        say(f"reading {file}")
        info = describe_samples(file)
    if isinstance(info, Info) and info.outside > REMARK_SHARE:
        text = f"{info.outside:.1%} of the spikes come after {info.window_s:g} s"
        text += f", up to {info.duration_s:g} s; training leaves them out"
        note(f"{text} (times are in seconds, steps and dt_ms its options)")
    if as_json:
        print_json("data-info", **plain(asdict(info)))
        return
    show(*info.lines())
    following = _following(file, info)
    if following:
        show_next(*following)


def _following(file: str, info: Info | CountsInfo) -> tuple[object, ...]:
    """A command that takes the file; none for samples that no bundled network takes."""
    from delrec_compile.data.folds import PATTERN
    from delrec_compile.data.summary import CountsInfo
    from delrec_compile.network import checkpoint

    path = Path(file)
    folder = path if path.is_dir() else path.parent
    if not isinstance(info, CountsInfo):
        for pattern, chosen in (("*_train.h5", ()), (PATTERN, ("--fold", 0))):
            if len(list(folder.glob(pattern))) == 1:
                return ("train", folder, *chosen, "-o", unused("net.safetensors"))
    bundled = checkpoint.load(DEFAULT)
    if isinstance(info, CountsInfo):
        sizes = (info.inputs, info.dt_ms or bundled.dt_ms)
        fits = sizes == (bundled.inputs, bundled.dt_ms)
    else:
        fits = info.outside < 1 and info.spikes_max > 0
    taken = fits and info.largest_count <= bundled.max_input
    return ("run", DEFAULT, "--input", file) if taken else ()
