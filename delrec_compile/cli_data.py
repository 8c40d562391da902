"""The commands that make networks and their data: train, data synth, data info."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from delrec_compile.terminal import bar, plain, print_json, saying, show, show_next

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]

data_app = typer.Typer(
    help="Spike data: make spoken digits, look into files.", no_args_is_help=True
)


def train(
    data: Annotated[Path, typer.Argument(help="Folder with *_train.h5, *_valid.h5, *_test.h5.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .safetensors file.")],
    recurrence: Annotated[
        str, typer.Option(help="conv, dense, synaptic, tap_conv, conv2d or none.")
    ] = "conv",
    hidden: Annotated[int, typer.Option(help="Neurons per layer.")] = 256,
    kernel: Annotated[int, typer.Option(help="Taps of a conv recurrence, odd.")] = 3,
    max_delay: Annotated[int, typer.Option(help="Longest delay, in steps.")] = 31,
    epochs: Annotated[int, typer.Option()] = 160,
    seed: Annotated[int, typer.Option()] = 0,
    options: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other option of the recipe as name=value, repeatable."),
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train a network on spike data, freeze it, measure it, write it."""
    from delrec_compile import checkpoint, report
    from delrec_compile.errors import CheckpointError
    from delrec_compile.training import TrainConfig
    from delrec_compile.training import train as fit

    config = TrainConfig.with_options(
        options or (),
        recurrence=recurrence,
        hidden=hidden,
        kernel=kernel,
        max_delay=max_delay,
        epochs=epochs,
        seed=seed,
    )
    if out.exists() and not force:
        raise CheckpointError(f"{out} exists; add --force to replace it")
    checkpoint.writable(out)
    with bar("training") as step:
        result = fit(
            data,
            config,
            lambda epoch, total: step(
                epoch.number, total, f"loss {epoch.loss:.3f}, valid {epoch.valid_accuracy:.1%}"
            ),
        )
    checkpoint.save(result.network, out)
    if as_json:
        print_json(
            "train",
            path=str(out),
            accuracy=result.accuracy,
            recurrent_parameters=result.recurrent_parameters,
            seconds=result.seconds,
            history=[asdict(e) for e in result.history],
        )
        return
    rows = [(name, f"{value:.1%}") for name, value in result.accuracy.items()]
    rows.append(("recurrent parameters", f"{result.recurrent_parameters:,}"))
    show(report.table(f"{out}, frozen", ("set", "accuracy"), rows))
    show_next(f"delrec-compile build {out}")


@data_app.command("synth")
def data_synth(
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    train_words: Annotated[int, typer.Option("--train", help="Words per class.")] = 120,
    valid_words: Annotated[int, typer.Option("--valid", help="Words per class.")] = 15,
    test_words: Annotated[int, typer.Option("--test", help="Words per class.")] = 30,
    seed: Annotated[int, typer.Option()] = 0,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Make spoken digits (English and German) as cochlea spikes, in the layout of SHD."""
    from delrec_compile.data.synth import synthesise

    with bar("synthesising") as step:
        made = synthesise(
            out,
            train=train_words,
            valid=valid_words,
            test=test_words,
            seed=seed,
            progress=lambda stage, done, total: step(done, total, stage),
            force=force,
        )
    if as_json:
        print_json("data-synth", **plain(asdict(made)))
        return
    for key, value in asdict(made).items():
        show(f"{key}: {value}")
    show_next(f"delrec-compile train {out} -o net.safetensors")


@data_app.command("info")
def data_info(
    file: Annotated[Path, typer.Argument(help="An SHD, SSC or synth .h5 file.")],
    as_json: Json = False,
) -> None:
    """Show what a spike file holds."""
    from delrec_compile.data.events import describe

    with saying() as say:
        say(f"reading {file}")
        info = describe(file)
    if as_json:
        print_json("data-info", **plain(asdict(info)))
        return
    for key, value in asdict(info).items():
        show(f"{key}: {value}")
    show_next(f"delrec-compile train {file.parent} -o net.safetensors")
