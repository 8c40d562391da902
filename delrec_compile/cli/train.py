"""The command that trains: train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from delrec_compile.cli import completion
from delrec_compile.cli.options import Force, Json, Name, Settings, TorchDevice
from delrec_compile.cli.sweep import (
    Cluster,
    Sweep,
    Workers,
    place_of,
    refuse_with_sweep,
    refuse_without_sweep,
    run_sweep,
)
from delrec_compile.cli.terminal import bar, note, print_json, saying, show, show_next_build

if TYPE_CHECKING:
    from delrec_compile.data.partition import Sets
    from delrec_compile.training.config import TrainConfig
    from delrec_compile.training.loop import TrainResult
    from delrec_compile.training.state import Epoch

LOGS = {"csv": ".epochs.csv", "jsonl": ".epochs.jsonl", "none": None}
Data = Annotated[
    Path,
    typer.Argument(help="Folder with *_train, *_valid, *_test as .h5 or .npz, or a *_pool.h5."),
]
Out = Annotated[
    Path, typer.Option("-o", "--out", help="The .safetensors file, or the folder of a sweep.")
]
Recurrence = Annotated[
    str | None,
    typer.Option(
        help="conv (default), dense, synaptic, tap_conv, conv2d, channel_conv or none.",
        autocompletion=completion.one_of(*completion.RECURRENCES),
    ),
]
Grid = Annotated[
    str | None,
    typer.Option(
        help="Grid of the weights: int16 (default), fine or auto.",
        autocompletion=completion.one_of("int16", "fine", "auto"),
    ),
]
Config = Annotated[
    Path | None, typer.Option("--config", help="TOML file of options; flags override it.")
]
Fold = Annotated[
    int | None, typer.Option(min=0, help="Fold of a pool that 'data synth --folds' made (0).")
]
Log = Annotated[
    str,
    typer.Option(
        help="Format of the epoch log beside the network: csv, jsonl or none.",
        autocompletion=completion.one_of(*LOGS),
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Resume an interrupted training.")]
Plots = Annotated[
    bool, typer.Option("--plots", help="Plot the curves and the delays, beside the network.")
]


def train(
    data: Data,
    out: Out,
    recurrence: Recurrence = None,
    hidden: Annotated[int | None, typer.Option(help="Neurons per layer (256).")] = None,
    kernel: Annotated[int | None, typer.Option(help="Taps of a conv recurrence, odd (3).")] = None,
    max_delay: Annotated[int | None, typer.Option(help="Longest delay, in steps (31).")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data (160).")] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed (0).")] = None,
    fold: Fold = None,
    grid: Grid = None,
    device: TorchDevice = None,
    name: Name = None,
    config: Config = None,
    options: Settings = None,
    resume: Resume = False,
    log: Log = "csv",
    plots: Plots = False,
    force: Force = False,
    sweep: Sweep = None,
    workers: Workers = 1,
    cluster: Cluster = "",
    as_json: Json = False,
) -> None:
    """Train a network on spike data, freeze it, measure it, write it; or several, of a --sweep."""
    from delrec_compile.training.config import TrainConfig

    flags: dict[str, Any] = {"recurrence": recurrence, "hidden": hidden, "kernel": kernel}
    flags |= {"max_delay": max_delay, "epochs": epochs, "seed": seed, "device": device}
    flags |= {"grid": grid}
    place = place_of(workers, cluster)
    if sweep is not None:
        refuse_with_sweep(name=name, plots=plots, force=force)
        given = (sweep, options or (), config)
        run_sweep(data, out, place, given, {**flags, "fold": fold}, _suffix(log), as_json)
        return
    refuse_without_sweep(place)
    recipe = TrainConfig.with_options(options or (), config, **flags)
    chosen: dict[str, Any] = {"name": _name(name, out), "log": log, "plots": plots, "fold": fold}
    result, files = _fit(data, out, recipe, **chosen, resume=resume, force=force)
    _print_training(out, result, files, as_json)


def _fit(
    data: Path,
    out: Path,
    config: TrainConfig,
    *,
    name: str,
    log: str,
    plots: bool,
    fold: int | None,
    **options: bool,
) -> tuple[TrainResult, list[Path]]:
    """Trains and writes; returns the result and the files beside the network.

    options: resume, force.
    """
    from delrec_compile.system.files import check_writable

    state = _state(out, log=log, **options)
    fold = _check(data, config, fold)
    from delrec_compile.training import plots as pictures
    from delrec_compile.training.loop import train as fit
    from delrec_compile.training.state import forget

    rows = out.with_suffix(suffix) if (suffix := _suffix(log)) else None
    drawn = list(pictures.files(out)) if plots and pictures.available() else []
    sets = _sets(data, config, fold)
    for file in (out, state, rows, *drawn):
        if file is not None:
            check_writable(file)
    with bar("training") as step:
        told = _Batches(step, config.epochs)
        result = fit(
            sets,
            config,
            told.epoch,
            state=state,
            resume=options["resume"],
            log=rows,
            batches=told.batches,
            fold=fold,
        )
    pictured = _write(result, out, name, drawn)
    forget(state)
    return result, [*([rows] if rows else []), *pictured]


def _suffix(log: str) -> str | None:
    """What a log of epochs ends in; None: there is none. Raises UsageError."""
    from delrec_compile.errors import UsageError

    if log not in LOGS:
        raise UsageError(f"--log is '{log}'; allowed: {', '.join(LOGS)}")
    return LOGS[log]


def _check(data: Path, config: TrainConfig, fold: int | None) -> int | None:
    """The device, where one is chosen, and the data, for which PyTorch is not needed; returns the
    fold of a pool."""
    from delrec_compile.data.sets import check_sets

    if config.device != "cpu":
        from delrec_compile.training.optimisers import device_of

        device_of(config)
    return check_sets(data, fold)


class _Batches:
    """Progress of a training, step(done, all, text), in batches; the text says the last epoch."""

    def __init__(self, step: Callable[[int, int, str], None], epochs: int) -> None:
        self.step, self.epochs, self.text, self.all = step, epochs, f"first of {epochs} epochs", 0
        step(0, 0, self.text)

    def batches(self, done: int, every: int) -> None:
        self.all = every
        self.step(done, every, self.text)

    def epoch(self, epoch: Epoch, epochs: int) -> None:
        self.text = epoch.of(epochs, f"loss {epoch.loss:.3f}")
        every = self.all or epochs
        self.step(every * epoch.number // epochs, every, self.text)


def _name(name: str | None, out: Path) -> str:
    """The chosen name, or that of the file. Raises UsageError."""
    from delrec_compile.artifact.abi import checked_name
    from delrec_compile.network.checkpoint import STEM

    return out.stem[:STEM] if name is None else checked_name(name)


def _write(result: TrainResult, out: Path, name: str, drawn: list[Path]) -> list[Path]:
    """Writes the network, and the pictures where any are wanted; returns the files of these."""
    from delrec_compile.network import checkpoint
    from delrec_compile.training import plots

    checkpoint.save(replace(result.network, name=name), out)
    files = list(plots.draw(result.history, result.network, out)) if drawn else []
    if drawn and drawn[-1] not in files:
        note(f"no {drawn[-1].name}: the network has no delays of its own")
    return files


def _state(out: Path, *, log: str, resume: bool, force: bool) -> Path:
    """The file of the unfinished training.

    Raises UsageError or CheckpointError for files that cannot be written, or only with force.
    """
    from delrec_compile.errors import CheckpointError, UsageError

    _suffix(log)
    if out.suffix != ".safetensors":
        raise UsageError(f"-o {out}: a name that ends in .safetensors is required")
    if out.is_file() and not force:
        raise CheckpointError(f"{out} exists; add --force to replace it")
    state = out.with_suffix(".unfinished")
    if state.exists() and not (resume or force):
        raise CheckpointError(
            f"{state} holds an unfinished training run; add --resume to continue it, or --force to "
            "start over"
        )
    return state


def _sets(data: Path, config: TrainConfig, fold: int | None) -> Sets:
    from delrec_compile.training.loop import read

    with saying(brief=True) as say:
        say(f"reading {data}")
        sets = read(data, config, fold)
    if sets.remark:
        note(sets.remark)
    return sets


def _print_training(out: Path, result: TrainResult, files: list[Path], as_json: bool) -> None:
    from delrec_compile.cli import tables

    if as_json:
        print_json(
            "train",
            path=str(out),
            accuracy=result.accuracy,
            recurrent_parameters=result.recurrent_parameters,
            seconds=result.seconds,
            history=[asdict(e) for e in result.history],
            files=[str(f) for f in files],
        )
        return
    rows = [(name, f"{value:.1%}") for name, value in result.accuracy.items()]
    rows.append(("recurrent parameters", f"{result.recurrent_parameters:,}"))
    show(tables.table(f"{out}, frozen", ("set", "accuracy"), rows))
    for file in files:
        show(f"wrote {file}")
    show_next_build(out)
