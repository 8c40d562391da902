"""The commands about data: data synth, data info."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from delrec_compile.cli.options import DEFAULT, Force, Json
from delrec_compile.cli.terminal import (
    bar,
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
    help="Spike data: synthesise spoken digits, inspect files.", no_args_is_help=True
)


@data_app.command("synth")
def data_synth(
    out: Annotated[Path, typer.Argument(help="Folder to create.")],
    train_samples: Annotated[int, typer.Option("--train", help="Samples per class.")] = 120,
    valid_samples: Annotated[int, typer.Option("--valid", help="Samples per class.")] = 15,
    test_samples: Annotated[int, typer.Option("--test", help="Samples per class.")] = 30,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    with_frontend: Annotated[
        bool,
        typer.Option(
            "--with-frontend",
            help="Counts of the integer front end (.npz) in place of the cochlea's.",
        ),
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Make spoken digits (English and German) as cochlea spikes, in the layout of SHD."""
    from delrec_compile.data.synth import synthesise

    per_class = {"train": train_samples, "valid": valid_samples, "test": test_samples}
    with bar("synthesising") as step:
        made = synthesise(
            out,
            **per_class,
            seed=seed,
            progress=_in_one(step, per_class),
            force=force,
            with_frontend=with_frontend,
        )
    if as_json:
        print_json("data-synth", **plain(asdict(made)))
        return
    for name, path in made.files.items():
        show(
            f"{path}: {made.utterances[name]:,} samples, {made.mean_spikes[name]:,.0f} spikes each"
        )
    show_next("train", out, "-o", unused("net.safetensors"))


def _in_one(
    step: Callable[[int, int, str], None], per_class: dict[str, int]
) -> Callable[[str, int, int], None]:
    """Progress (stage, done, total) of the sets as one count of samples; of other stages as it is."""
    whole = sum(per_class.values())

    def progress(stage: str, done: int, total: int) -> None:
        if stage not in per_class:
            step(done, total, stage)
            return
        classes = total // per_class[stage]
        names = list(per_class)
        before = sum(per_class[name] for name in names[: names.index(stage)])
        step(before * classes + done, whole * classes, stage)

    return progress


@data_app.command("info")
def data_info(
    file: Annotated[
        str,
        typer.Argument(
            help="A file of samples: .h5, .npz, .npy, .csv, a folder with a *_test.h5, or 'samples'."
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
    from delrec_compile.data.summary import CountsInfo
    from delrec_compile.network import checkpoint

    path = Path(file)
    folder = path if path.is_dir() else path.parent
    if not isinstance(info, CountsInfo) and len(list(folder.glob("*_train.h5"))) == 1:
        return ("train", folder, "-o", unused("net.safetensors"))
    bundled = checkpoint.load(DEFAULT)
    if isinstance(info, CountsInfo):
        sizes = (info.inputs, info.dt_ms or bundled.dt_ms)
        fits = sizes == (bundled.inputs, bundled.dt_ms)
    else:
        fits = info.outside < 1 and info.spikes_max > 0
    taken = fits and info.largest_count <= bundled.max_input
    return ("run", DEFAULT, "--input", file) if taken else ()
