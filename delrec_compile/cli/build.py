"""The commands that make files of a network: build, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from delrec_compile.aliases import Numeric
from delrec_compile.cli import devices, plain
from delrec_compile.cli.interop import export_nir
from delrec_compile.cli.options import (
    DEFAULT,
    Db,
    Devices,
    Force,
    Json,
    Limit,
    Model,
    NumericMode,
    Samples,
)
from delrec_compile.cli.terminal import print_json, saying, show, show_next
from delrec_compile.runners.devices.url import parse_all

Source = Annotated[
    str,
    typer.Argument(
        help="A .safetensors network, a bundled one, or any .onnx step with past_ and present_ state."
    ),
]


def build(
    model: Source = DEFAULT,
    target: Annotated[str, typer.Option("--target", "-t", help="See 'targets'.")] = "x86_64",
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Artifact folder.")] = None,
    numeric: NumericMode = Numeric.FLOAT32,
    calibrate: Annotated[
        Path | None,
        typer.Option(help="Samples to calibrate int modes on: .h5 or .npz, of training data."),
    ] = None,
    unroll: Annotated[int, typer.Option(help="Time steps per call of step.")] = 1,
    cpu: Annotated[
        str | None,
        typer.Option(help="LLVM's CPU name, such as x86-64-v3, or a GPU's, such as sm_90."),
    ] = None,
    tuned: Annotated[bool, typer.Option(help="Take the schedule that 'tune' found.")] = True,
    db: Db = None,
    device: Devices = None,
    samples: Samples = "samples",
    limit: Limit = None,
    dump: Annotated[
        Path | None, typer.Option(help="Write each phase of the lowering here.")
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Compile a network, prove it against PyTorch, time it."""
    from delrec_compile.cli import tables
    from delrec_compile.compiler.build import build as build_artifact
    from delrec_compile.data.samples import read_samples
    from delrec_compile.evaluation.proof import prove
    from delrec_compile.network import checkpoint
    from delrec_compile.network.summary import inspect as facts_of
    from delrec_compile.system.files import write_atomic

    if model.endswith(".onnx"):
        unsupported: dict[str, Any] = {
            "--numeric": numeric != Numeric.FLOAT32,
            "--unroll": unroll != 1,
            "--calibrate": calibrate,
            "--no-tuned": not tuned,
            "--db": db,
            "--device": device,
            "--dump": dump,
            "--limit": limit,
            "--input": samples != "samples",
        }
        plain.refuse(unsupported)
        plain.build(model, target, out, cpu, force, as_json)
        return
    network = checkpoint.load(model)
    facts = facts_of(network)
    chosen = parse_all(device or [])
    with saying() as say:
        artifact = build_artifact(
            network,
            target,
            out,
            numeric=numeric,
            calibrate=read_samples(calibrate) if calibrate else None,
            unroll=unroll,
            cpu=cpu,
            tuned=tuned,
            db=db,
            force=force,
            dump=dump,
            progress=say,
        )
        proof = prove(artifact, samples, limit=limit, progress=say)
        remote = devices.proven_on(artifact.path, chosen, samples, limit, say)
    text = tables.markdown(artifact, facts, proof)
    write_atomic(artifact.path / "report.md", text.encode())
    told = {**tables.build_facts(artifact, facts, proof), **remote}
    if as_json:
        print_json("build", **told)
        devices.judge(remote)
        return
    show(tables.network_table(facts), *tables.network_lines(facts), "")
    show(f"artifact {artifact.path}", *(f"  {file}" for file in told["files"]), "")
    rows = tables.parity_rows(proof.checks)
    show(tables.table(tables.parity_title(proof.checks), tables.PARITY_COLUMNS, rows))
    show(*tables.integer_lines(artifact.manifest.numeric, proof.checks))
    if proof.check is None:
        cpu = artifact.manifest.cpu
        show(f"built for {cpu}, which this machine cannot run: not checked, not timed")
    if line := tables.schedule_line(artifact.manifest):
        show(line)
    if size := tables.size_line(artifact.manifest):
        show(size)
    if proof.emulated:
        show(tables.emulated_line(proof.emulated))
    if proof.bench:
        show(tables.table("latency", tables.BENCH_COLUMNS, tables.bench_rows(proof.bench)))
    devices.show_proven(remote)
    show_next(f"delrec-compile {'bench' if proof.bench else 'run'} {artifact.path}")


def export(
    model: Model = DEFAULT,
    out: Annotated[Path, typer.Option("-o", "--out", help="The .onnx file.")] = Path("step.onnx"),
    form: Annotated[
        str,
        typer.Option(
            help="portable: plain ONNX operators; semantic: ai.delrec functions; nir: a NIR graph."
        ),
    ] = "portable",
    unroll: Annotated[int, typer.Option(help="Time steps per call.")] = 1,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write the step as ONNX, with its state as inputs and outputs; or the network as NIR."""
    from delrec_compile.network import checkpoint
    from delrec_compile.network.onnx_step.export import export as export_onnx

    network = checkpoint.load(model)
    if form == "nir":
        export_nir(
            network, Path("network.nir") if out == Path("step.onnx") else out, force, as_json
        )
        return
    with saying() as say:
        say("exporting to ONNX and proving it against PyTorch")
        made = export_onnx(network, out, form=form, unroll=unroll, force=force)
    facts: dict[str, Any] = {
        "path": str(out),
        "form": form,
        "unroll": unroll,
        "nodes": len(made.graph.node),
        "inputs": [v.name for v in made.graph.input],
        "outputs": [v.name for v in made.graph.output],
        "bytes": out.stat().st_size,
    }
    if as_json:
        print_json("export", **facts)
        return
    show(f"{out}: {facts['nodes']} nodes, {facts['bytes']:,} bytes, {form} form")
    show(f"inputs  {', '.join(facts['inputs'])}", f"outputs {', '.join(facts['outputs'])}")
    show_next(f"delrec-compile run {out}")
