"""The commands on an artifact or an ONNX file: run, check, bench."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from delrec_compile.cli import completion, devices, plain
from delrec_compile.cli.inputs import PLAIN, InputOptions, chosen, named, with_inputs
from delrec_compile.cli.options import (
    DEFAULT,
    AllowSilent,
    Artifact,
    Devices,
    Json,
    Runnable,
    names,
)
from delrec_compile.cli.terminal import print_json, saying, show, show_next
from delrec_compile.system.folders import work_folder

NETWORK = "network.safetensors"  # in every artifact
FEW = 20  # samples that are listed one by one


@with_inputs
def run(
    path: Runnable,
    inputs: InputOptions = PLAIN,
    as_json: Json = False,
) -> None:
    """Classify samples: with an artifact, an ONNX file in ONNX Runtime, or a network's reference."""
    from delrec_compile.runners.open import taker_of
    from delrec_compile.system import child

    takes = taker_of(path)
    with named(takes, inputs) as samples, saying() as say:
        say(f"running {path}")
        predictions = child.call(
            "delrec_compile.runners.predict:predict",
            path=str(path),
            samples=samples,
            limit=None,
        )
    if as_json:
        print_json("run", **predictions)
        return
    _print_predictions(path, predictions)
    if takes.network is not None and predictions["spikes_per_step"]:
        show_next("check", path, *inputs.repeated())


def _print_predictions(path: Path, predictions: dict[str, Any]) -> None:
    from delrec_compile.cli import tables
    from delrec_compile.evaluation.per_class import class_names

    predicted, true = predictions["classes"], predictions["expected"]
    labels = class_names(predictions["labels"], predicted, true)
    columns, rows = _class_rows(labels, predicted, true)
    show(tables.table(f"{predictions['engine']}: {path}", columns, rows))
    if len(predicted) <= FEW:
        head = ("sample", "true", "predicted") if true else ("sample", "predicted")
        pairs = zip(true, predicted, strict=True) if true else ((p,) for p in predicted)
        listed = [(str(i), *(labels[c] for c in pair)) for i, pair in enumerate(pairs)]
        show(tables.table("sample by sample", head, listed))
    silent = not predictions["spikes_per_step"]
    if silent:
        show("warning: no neuron fired on these samples, so the classes mean nothing")
    accuracy = f"accuracy {predictions['accuracy']:.1%} on " if true and not silent else ""
    show(
        f"{accuracy}{len(predicted)} samples of {predictions['steps']} steps, "
        f"{predictions['spikes_per_step']:.1f} hidden spikes per step"
    )


def _class_rows(
    labels: list[str], predicted: list[int], true: list[int]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and rows of the table of classes; without true classes, how often each occurs."""
    from delrec_compile.evaluation.per_class import counted, per_class

    if not true:
        return ("class", "samples"), [(name, str(n)) for name, n in counted(labels, predicted)]
    rows = per_class(labels, predicted, true)
    cells = [(c.name, str(c.samples), str(c.correct), f"{c.accuracy:.0%}") for c in rows]
    return ("class", "samples", "correct", "accuracy"), [*cells]


@with_inputs
def check(
    context: typer.Context,
    path: Runnable,
    inputs: InputOptions = PLAIN,
    network: Annotated[
        str | None,
        typer.Option(
            help="The network of an .onnx file, if not stored beside it.",
            autocompletion=completion.models,
        ),
    ] = None,
    device: Devices = None,
    allow_silent: AllowSilent = False,
    as_json: Json = False,
) -> None:
    """Compare every spike with PyTorch, or the integer reference; exit 6 when they differ."""
    if plain.is_plain(path):
        plain.refuse_unsupported(context, plain.CHECK_OPTIONS)
        plain.check(path, as_json)
        return
    if device:
        devices.check_devices(path, device, inputs, as_json, allow_silent)
        return
    from delrec_compile.runners.open import taker_of
    from delrec_compile.system import child

    with named(taker_of(path, network), inputs) as samples, saying() as say:
        say("checking spikes against PyTorch")
        (parity,) = child.call(
            "delrec_compile.evaluation.proof:checked",
            paths=[str(path)],
            network=network,
            samples=samples,
            limit=inputs.limit,
        )
    if allow_silent:
        from delrec_compile.evaluation.verdict import accept_silence

        parity = accept_silence(parity)
    _print_parity(path, parity, inputs, as_json)


def _print_parity(path: Path, parity: dict[str, Any], inputs: InputOptions, as_json: bool) -> None:
    """Raises ParityError for a check that did not pass, after it is printed."""
    from delrec_compile.cli import tables
    from delrec_compile.errors import ParityError
    from delrec_compile.evaluation import report
    from delrec_compile.evaluation.proof import describe_difference

    if as_json:
        print_json("check", **parity)
    else:
        show(tables.parity_table([parity]))
        show(*report.remark_lines([parity]), *report.silence_lines([parity]))
        show(*report.integer_lines("integer form", [parity]))
    if not parity["passed"]:
        raise ParityError(describe_difference(parity))
    if not as_json:
        if parity["spikes"]["differing"]:
            show("each differing spike lies within float error of its threshold")
        show_next("run", path, *inputs.repeated())


@partial(with_inputs, without=("limit",))
def bench(
    context: typer.Context,
    path: Artifact = None,
    inputs: InputOptions = PLAIN,
    rows: Annotated[
        str,
        typer.Option(
            help="Engines to time, separated by commas; default: all.",
            autocompletion=completion.engines,
        ),
    ] = "",
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Measurements of each engine [25; 5 for a batch].")
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            help="step: one call per step; sequence: whole samples; batch: many at once.",
            autocompletion=completion.one_of("step", "sequence", "batch"),
        ),
    ] = "step",
    batch: Annotated[
        int | None, typer.Option(min=1, help="Streams for --form batch [256].")
    ] = None,
    device: Devices = None,
    as_json: Json = False,
) -> None:
    """Time an artifact beside its baselines, interleaved, on one thread; or on other machines."""
    if path is not None and plain.is_plain(path):
        plain.refuse_unsupported(context, plain.BENCH_OPTIONS)
        plain.bench(path, rounds, as_json)
        return
    if device:
        devices.bench_devices(path, device, inputs, rows, rounds or 25, as_json)
        return
    _bench_here(path, inputs, names(rows), rounds, form, batch, as_json)


def _bench_here(
    path: Path | None,
    inputs: InputOptions,
    rows: tuple[str, ...],
    rounds: int | None,
    form: str,
    batch: int | None,
    as_json: bool,
) -> None:
    from delrec_compile.cli import tables
    from delrec_compile.compiler.build import build
    from delrec_compile.evaluation import report
    from delrec_compile.evaluation.baselines.registry import ENGINES
    from delrec_compile.evaluation.latency.bench import bench as measure
    from delrec_compile.evaluation.latency.bench import names_for, runs_on_gpu, streams
    from delrec_compile.network import checkpoint
    from delrec_compile.runners.open import artifact_taker, taker_of

    engines = names_for(form, rows or None, path is not None and runs_on_gpu(path))
    streams(form, batch)
    samples = chosen(artifact_taker(path) if path else taker_of(DEFAULT), inputs)
    with work_folder() as folder, saying() as say:
        artifact = path or folder / "artifact"
        if path is None:
            build(checkpoint.load(DEFAULT), out=artifact, progress=say)
        slow = any(ENGINES[name].compiles for name in engines if name in ENGINES)
        patience = "; PyTorch compiles its variants first: a minute or two" if slow else ""
        say(f"timing {len(engines)} engines{patience}")
        options: dict[str, Any] = {"rows": rows or None, "rounds": rounds}
        result = measure(artifact, samples, form=form, batch=batch, **options)
    if as_json:
        print_json("bench", **result.as_dict())
        return
    show(tables.table("latency", report.BENCH_COLUMNS, report.bench_rows(result)))
    show(report.bench_line(result))
    show_next("inspect", *([path / NETWORK] if path else ()))
