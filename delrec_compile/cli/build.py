"""The commands that make files of a network: build, export."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from delrec_compile.cli import completion, devices, plain
from delrec_compile.cli.inputs import PLAIN, InputOptions, calibration, chosen, with_inputs
from delrec_compile.cli.interop import export_nir
from delrec_compile.cli.options import (
    DEFAULT,
    FLOAT32,
    AllowSilent,
    Calibration,
    Cpu,
    Db,
    Devices,
    Force,
    Json,
    Model,
    Name,
    NumericMode,
    Target,
    check_store,
    refuse_calibration,
)
from delrec_compile.cli.terminal import judge_unproven, print_json, saying, show, show_next
from delrec_compile.errors import UsageError
from delrec_compile.runners.devices.url import parse_all
from delrec_compile.system.files import check_suffix

if TYPE_CHECKING:
    from delrec_compile.evaluation.proven import Built
    from delrec_compile.network.model import Network
    from delrec_compile.targets import Target as Profile

Source = Annotated[
    str,
    typer.Argument(
        help="A .safetensors network, a bundled one, or any .onnx step with past_ and present_ state.",
        autocompletion=completion.sources,
    ),
]
Dump = Annotated[
    Path | None, typer.Option(help="Write the result of each lowering phase to this folder.")
]
State = Annotated[
    list[str] | None,
    typer.Option(help="A pair INPUT=OUTPUT of an .onnx step that is state. Repeatable."),
]
StepBatch = Annotated[
    int | None, typer.Option(help="1: the open extents of an .onnx step, such as its batch, are 1.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what each node of an .onnx step becomes.")
]
WithFrontEnd = Annotated[
    bool,
    typer.Option("--with-frontend", help="Put the network's front end beside it: 16 kHz sound in."),
]
AllowUnproven = Annotated[
    bool, typer.Option("--allow-unproven", help="Accept code that nothing here can run.")
]
Form = Annotated[
    str,
    typer.Option(
        help="portable: plain ONNX operators; semantic: ai.delrec functions; nir: a NIR graph.",
        autocompletion=completion.one_of("portable", "semantic", "nir"),
    ),
]
Batch = Annotated[
    int | None, typer.Option(min=1, help="Streams per call, where an engine needs a fixed number.")
]
STEP, NIR = Path("step.onnx"), Path("network.nir")


@with_inputs
def build(
    context: typer.Context,
    model: Source = DEFAULT,
    target: Target = "x86_64",
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Artifact folder.")] = None,
    name: Name = None,
    numeric: NumericMode = FLOAT32,
    calibrate: Calibration = None,
    unroll: Annotated[int, typer.Option(min=1, help="Time steps per call of step.")] = 1,
    cpu: Cpu = None,
    tuned: Annotated[bool, typer.Option(help="Use the schedule found by 'tune'.")] = True,
    db: Db = None,
    device: Devices = None,
    inputs: InputOptions = PLAIN,
    with_frontend: WithFrontEnd = False,
    dump: Dump = None,
    allow_silent: AllowSilent = False,
    state: State = None,
    batch: StepBatch = None,
    dry_run: DryRun = False,
    force: Force = False,
    allow_unproven: AllowUnproven = False,
    as_json: Json = False,
) -> None:
    """Compile a network, prove it against PyTorch, time it."""
    if plain.is_graph(model):
        plain.refuse_unsupported(context, plain.BUILD_OPTIONS)
        options: dict[str, Any] = {"name": name, "cpu": cpu, "force": force}
        options |= {"allow_unproven": allow_unproven, "as_json": as_json}
        plain.build_or_plan(model, target, out, state or [], batch, dry_run, options)
        return
    given = {"--state": bool(state), "--batch": batch is not None, "--dry-run": dry_run}
    plain.refuse_for_networks(given)
    refuse_calibration(calibrate, numeric)
    options = {"name": name, "unroll": unroll, "cpu": cpu, "tuned": tuned, "db": db}
    options |= {"numeric": numeric, "force": force, "dump": dump, "limit": inputs.limit}
    options |= {"allow_unproven": allow_unproven, "allow_silent": allow_silent}
    options["with_frontend"] = with_frontend
    built = _build(model, target, out, calibrate, device or [], inputs, options)
    _print_build(built, inputs, as_json)
    judge_unproven(built.artifact.manifest.proven, built.artifact.path, allow_unproven)


def _build(
    model: str,
    target: str,
    out: Path | None,
    calibrate: Path | None,
    urls: list[str],
    inputs: InputOptions,
    options: dict[str, Any],
) -> Built:
    from delrec_compile import targets
    from delrec_compile.network import checkpoint

    check_store(options["db"])
    network = checkpoint.load(model)
    options |= {"devices": parse_all(urls)}
    _check_place(network, targets.load(target), out, options)  # refused before inputs are drawn
    from delrec_compile.evaluation.proven import build_proven

    options |= {"calibrate": calibration(network, calibrate, inputs)}
    options |= {"samples": chosen(network, inputs)}
    with saying() as say:
        return build_proven(network, target, out, progress=say, **options)


def _check_place(
    network: Network, profile: Profile, out: Path | None, options: dict[str, Any]
) -> None:
    """Raises InputError for an output that is there or cannot be, UnsupportedError for the mode."""
    from delrec_compile.artifact.abi import artifact_name
    from delrec_compile.artifact.package import check_output
    from delrec_compile.compiler.build import default_folder

    mode = profile.numeric_mode(options["numeric"])
    name = artifact_name(network.name, options["name"])
    chosen = options["cpu"], options["unroll"], options["with_frontend"]
    check_output(out or Path(default_folder(name, profile.name, mode, *chosen)), options["force"])


def _print_build(built: Built, inputs: InputOptions, as_json: bool) -> None:
    from delrec_compile.cli import tables
    from delrec_compile.evaluation import hearing, report

    artifact, proof, summary, remote = built.artifact, built.proof, built.summary, built.remote
    result = report.build_result(artifact, summary, proof)
    if as_json:
        print_json("build", **result, **remote)
        return
    manifest = artifact.manifest
    show(tables.network_table(summary), *report.network_lines(summary), "")
    show(f"artifact {artifact.path}", *(f"  {file}" for file in result["files"]), "")
    show(tables.parity_table(proof.checks))
    show(*report.remark_lines(proof.checks), *report.silence_lines(proof.checks))
    show(*report.integer_lines(manifest.numeric, proof.checks))
    if proof.check is None:
        cpu = manifest.cpu
        show(f"built for {cpu}, which this machine cannot run: not proven, not timed")
    show(*filter(None, (report.schedule_line(manifest), report.size_line(manifest))))
    if proof.emulated:
        show(report.emulated_line(proof.emulated))
    if proof.listening:
        show(hearing.line(proof.listening))
    if proof.bench:
        show(tables.table("latency", report.BENCH_COLUMNS, report.bench_rows(proof.bench)))
    devices.show_remote(remote)
    show_next("bench" if proof.bench else "run", artifact.path, *inputs.repeated())


def _named(model: str, name: str | None) -> Network:
    """A network by its file, or a bundled one, with the name that was chosen for it."""
    from delrec_compile.artifact.abi import checked_name
    from delrec_compile.network import checkpoint

    network = checkpoint.load(model)
    return network if name is None else replace(network, name=checked_name(name))


def export(
    model: Model = DEFAULT,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The file [step.onnx, or network.nir].")
    ] = None,
    form: Form = "portable",
    unroll: Annotated[int, typer.Option(min=1, help="Time steps per call.")] = 1,
    batch: Batch = None,
    name: Name = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write the step as ONNX, with its state as inputs and outputs; or the network as NIR."""
    from delrec_compile.network.onnx_step.export import export as export_onnx

    network = _named(model, name)
    if form == "nir":
        if unroll != 1 or batch is not None:
            option = "--batch" if unroll == 1 else "--unroll"
            raise UsageError(f"{option} is of ONNX: a NIR graph has no calls; omit it")
        out = out or NIR
        check_suffix(out, ".nir")
        export_nir(network, out, force, as_json)
        return
    out = out or STEP
    check_suffix(out, ".onnx")
    with saying() as say:
        say("exporting to ONNX and proving it against PyTorch")
        options: dict[str, Any] = {"form": form, "unroll": unroll, "batch": batch}
        graph = export_onnx(network, out, force=force, **options).graph
    inputs, outputs = ([v.name for v in values] for values in (graph.input, graph.output))
    nodes, size = len(graph.node), out.stat().st_size
    if as_json:
        result = {"path": str(out), "form": form, "unroll": unroll, "nodes": nodes}
        print_json("export", **result, batch=batch, inputs=inputs, outputs=outputs, bytes=size)
        return
    show(f"{out}: {nodes} nodes, {size:,} bytes, {form} form")
    show(f"inputs  {', '.join(inputs)}", f"outputs {', '.join(outputs)}")
    show_next("run", out)
