"""The commands on what was built: run, check, bench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from delrec_compile.cli import devices, plain
from delrec_compile.cli.options import DEFAULT, Devices, Json, Limit, Samples
from delrec_compile.cli.terminal import print_json, saying, show, show_next

FEW = 20


def run(
    path: Annotated[Path, typer.Argument(help="An artifact folder or an .onnx file.")],
    samples: Samples = "samples",
    limit: Limit = None,
    steps: Annotated[int, typer.Option(min=1, help="Time steps read of an .h5 sample.")] = 80,
    as_json: Json = False,
) -> None:
    """Classify samples with an artifact, or with an ONNX file in ONNX Runtime."""
    from delrec_compile.cli import tables
    from delrec_compile.system import child

    with saying() as say:
        say(f"running {path}")
        answers = child.call(
            "delrec_compile.runners.predict:predict",
            path=str(path),
            samples=samples,
            limit=limit,
            steps=steps,
        )
    if as_json:
        print_json("run", **answers)
        return
    names = answers["labels"] or [str(c) for c in range(max(answers["classes"], default=0) + 1)]
    rows = []
    for k, name in enumerate(names):
        got = [
            c == k for c, t in zip(answers["classes"], answers["expected"], strict=True) if t == k
        ]
        if got:
            rows.append((name, str(len(got)), str(sum(got)), f"{sum(got) / len(got):.0%}"))
    show(
        tables.table(
            f"{answers['engine']}: {path}", ("class", "samples", "correct", "accuracy"), rows
        )
    )
    if answers["samples"] <= FEW:
        heard = [names[c] for c in answers["classes"]]
        said = [names[c] for c in answers["expected"]]
        pairs = [(str(i), s, h) for i, (s, h) in enumerate(zip(said, heard, strict=True))]
        show(tables.table("sample by sample", ("sample", "true", "predicted"), pairs))
    show(
        f"accuracy {answers['accuracy']:.1%} on {answers['samples']} samples of "
        f"{answers['steps']} steps, {answers['spikes_per_step']:.1f} hidden spikes per step"
    )
    show_next(f"delrec-compile check {path}")


def check(
    path: Annotated[Path, typer.Argument(help="An artifact folder or an .onnx file.")],
    samples: Samples = "samples",
    limit: Limit = None,
    network: Annotated[
        str | None, typer.Option(help="The network an .onnx file was made from, if not beside it.")
    ] = None,
    device: Devices = None,
    as_json: Json = False,
) -> None:
    """Compare every spike with PyTorch, or the integer reference; exit 6 when they differ."""
    if plain.is_plain(path):
        plain.refuse({"--device": device, "--limit": limit, "--input": samples != "samples"})
        plain.check(path, as_json)
        return
    if device:
        devices.check_devices(path, device, samples, limit, as_json)
        return
    from delrec_compile.cli import tables
    from delrec_compile.errors import ParityError
    from delrec_compile.evaluation.proof import describe_difference
    from delrec_compile.system import child

    with saying() as say:
        say("checking spikes against PyTorch")
        (parity,) = child.call(
            "delrec_compile.evaluation.proof:checked",
            paths=[str(path)],
            network=network,
            samples=samples,
            limit=limit,
        )
    if as_json:
        print_json("check", **parity)
    else:
        rows = tables.parity_rows([parity])
        show(tables.table(tables.parity_title([parity]), tables.PARITY_COLUMNS, rows))
        show(*tables.integer_lines("integer form", [parity]))
    if not parity["passed"]:
        raise ParityError(describe_difference(parity))
    if not as_json:
        if parity["spikes"]["differing"]:
            show(
                "the differing spikes are explained: each lies within float error of the threshold"
            )
        show_next(f"delrec-compile run {path}" if path.is_dir() else "delrec-compile build")


def bench(
    path: Annotated[
        Path | None, typer.Argument(help="An artifact folder; by default the bundled one is built.")
    ] = None,
    samples: Samples = "samples",
    rows: Annotated[str, typer.Option(help="Engines to time, with commas; default: all.")] = "",
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Times each engine is measured [25; 5 of a batch].")
    ] = None,
    form: Annotated[
        str,
        typer.Option(help="step: one call per step; sequence: whole samples; batch: many at once."),
    ] = "step",
    batch: Annotated[int | None, typer.Option(min=1, help="Streams of --form batch [256].")] = None,
    device: Devices = None,
    as_json: Json = False,
) -> None:
    """Time an artifact beside its baselines, interleaved, on one thread; or on other machines."""
    if path is not None and plain.is_plain(path):
        plain.refuse({"--device": device, "--form": form != "step", "--rows": rows})
        plain.refuse({"--batch": batch, "--input": samples != "samples"})
        plain.bench(path, rounds, as_json)
        return
    if device:
        devices.bench_devices(path, device, samples, rows, rounds or 25, as_json)
        return
    import tempfile

    from delrec_compile.cli import tables
    from delrec_compile.compiler.build import build as build_artifact
    from delrec_compile.evaluation.baselines.registry import ENGINES
    from delrec_compile.evaluation.latency.bench import bench as measure
    from delrec_compile.evaluation.latency.bench import names_for, streams
    from delrec_compile.network import checkpoint

    named = tuple(r.strip() for r in rows.split(",") if r.strip()) or None
    chosen = names_for(form, named)
    streams(form, batch)
    with tempfile.TemporaryDirectory() as folder, saying() as say:
        if path is None:
            path = Path(folder) / "artifact"
            build_artifact(checkpoint.load(DEFAULT), out=path, progress=say)
        slow = any(ENGINES[name].compiles for name in chosen)
        patience = "; PyTorch compiles its variants first: a minute or two" if slow else ""
        say(f"timing {len(chosen)} engines{patience}")
        result = measure(path, samples, rows=named, rounds=rounds, form=form, batch=batch)
    if as_json:
        print_json("bench", **result.as_dict())
        return
    show(tables.table("latency", tables.BENCH_COLUMNS, tables.bench_rows(result)))
    show(tables.bench_line(result))
    show_next("delrec-compile inspect")
