"""The command line: parse, call, print. Heavy parts are imported by the command that needs them."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from delrec_compile import cli_devices, cli_plain
from delrec_compile.cli_claims import claims
from delrec_compile.cli_compare import compare, flash
from delrec_compile.cli_data import Force, Json, data_app
from delrec_compile.cli_devices import Devices, devices_app
from delrec_compile.cli_footprint import footprint
from delrec_compile.cli_import import export_nir, import_
from delrec_compile.cli_train import train
from delrec_compile.cli_tune import Db, db_app, tune
from delrec_compile.devices import parse_all
from delrec_compile.errors import DelrecError
from delrec_compile.terminal import print_json, saying, show, show_next

app = typer.Typer(
    name="delrec-compile",
    help="Compile trained delay-learning spiking networks for any chip, proven equal to PyTorch.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(data_app, name="data")
app.add_typer(db_app, name="db")
app.add_typer(devices_app, name="devices")

Model = Annotated[
    str,
    typer.Argument(help="A .safetensors network, or conv_delay_256 or dense_delay_256 (bundled)."),
]
Source = Annotated[
    str,
    typer.Argument(
        help="A .safetensors network, a bundled one, or any .onnx step with past_ and present_ state."
    ),
]
Words = Annotated[
    str, typer.Option("--input", "-i", help="Words to run: .h5, .npz, or 'words' (bundled).")
]
Limit = Annotated[int | None, typer.Option(min=1, help="Use only the first words.")]
DEFAULT = "conv_delay_256"
FEW = 20


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    if debug:
        os.environ["DELREC_DEBUG"] = "1"


@app.command()
def build(
    model: Source = DEFAULT,
    target: Annotated[str, typer.Option("--target", "-t", help="See 'targets'.")] = "x86_64",
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Artifact folder.")] = None,
    numeric: Annotated[str, typer.Option(help="Numbers inside: float32, int16, int8.")] = "float32",
    calibrate: Annotated[
        Path | None,
        typer.Option(help="Words to calibrate int modes on: .h5 or .npz, of training data."),
    ] = None,
    unroll: Annotated[int, typer.Option(help="Time steps per call of step.")] = 1,
    cpu: Annotated[
        str | None,
        typer.Option(help="LLVM's CPU name, such as x86-64-v3, or a GPU's, such as sm_90."),
    ] = None,
    tuned: Annotated[bool, typer.Option(help="Take the schedule that 'tune' found.")] = True,
    db: Db = None,
    device: Devices = None,
    words: Words = "words",
    limit: Limit = None,
    dump: Annotated[
        Path | None, typer.Option(help="Write each phase of the lowering here.")
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Compile a network, prove it against PyTorch, time it."""
    from delrec_compile import checkpoint, report
    from delrec_compile.build import build as build_artifact
    from delrec_compile.inspect import inspect as facts_of
    from delrec_compile.prove import prove
    from delrec_compile.run import read_words

    if model.endswith(".onnx"):
        odd: dict[str, Any] = {
            "--numeric": numeric != "float32",
            "--unroll": unroll != 1,
            "--calibrate": calibrate,
        }
        odd |= {"--device": device, "--dump": dump, "--limit": limit, "--input": words != "words"}
        cli_plain.refuse(odd)
        cli_plain.build(model, target, out, cpu, force, as_json)
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
            calibrate=read_words(calibrate) if calibrate else None,
            unroll=unroll,
            cpu=cpu,
            tuned=tuned,
            db=db,
            force=force,
            dump=dump,
            progress=say,
        )
        proof = prove(artifact, words, limit=limit, progress=say)
        remote = cli_devices.proven_on(artifact.path, chosen, words, limit, say)
    text = report.markdown(artifact, facts, proof)
    checkpoint.write_whole(artifact.path / "report.md", text.encode())
    told = {**report.build_facts(artifact, facts, proof), **remote}
    if as_json:
        print_json("build", **told)
        cli_devices.judge(remote)
        return
    show(report.network_table(facts), *report.network_lines(facts), "")
    show(f"artifact {artifact.path}", *(f"  {file}" for file in told["files"]), "")
    rows = report.parity_rows(proof.checks)
    show(report.table(report.parity_title(proof.checks), report.PARITY_COLUMNS, rows))
    show(*report.integer_lines(artifact.manifest["numeric"], proof.checks))
    if proof.check is None:
        machine = artifact.manifest["llvm"].get("mcpu", artifact.manifest["machine"])
        show(f"built for {machine}, which this machine cannot run: not checked, not timed")
    if line := report.schedule_line(artifact.manifest):
        show(line)
    if size := report.size_line(artifact.manifest):
        show(size)
    if proof.emulated:
        show(report.emulated_line(proof.emulated))
    if proof.bench:
        show(report.table("latency", report.BENCH_COLUMNS, report.bench_rows(proof.bench)))
    cli_devices.show_proven(remote)
    show_next(f"delrec-compile {'bench' if proof.bench else 'run'} {artifact.path}")


@app.command()
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
    from delrec_compile import checkpoint
    from delrec_compile.export import export as export_onnx

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


@app.command()
def run(
    path: Annotated[Path, typer.Argument(help="An artifact folder or an .onnx file.")],
    words: Words = "words",
    limit: Limit = None,
    steps: Annotated[int, typer.Option(min=1, help="Time steps read of an .h5 word.")] = 80,
    as_json: Json = False,
) -> None:
    """Classify words with an artifact, or with an ONNX file in ONNX Runtime."""
    from delrec_compile import child, report

    with saying() as say:
        say(f"running {path}")
        answers = child.call(
            "delrec_compile.run:answers", path=str(path), words=words, limit=limit, steps=steps
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
        report.table(f"{answers['engine']}: {path}", ("class", "words", "right", "accuracy"), rows)
    )
    if answers["words"] <= FEW:
        heard = [names[c] for c in answers["classes"]]
        said = [names[c] for c in answers["expected"]]
        words_ = [(str(i), s, h) for i, (s, h) in enumerate(zip(said, heard, strict=True))]
        show(report.table("word by word", ("word", "said", "heard as"), words_))
    show(
        f"accuracy {answers['accuracy']:.1%} on {answers['words']} words of {answers['steps']} steps, "
        f"{answers['spikes_per_step']:.1f} hidden spikes per step"
    )
    show_next(f"delrec-compile check {path}")


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="An artifact folder or an .onnx file.")],
    words: Words = "words",
    limit: Limit = None,
    network: Annotated[
        str | None, typer.Option(help="The network an .onnx file was made from, if not beside it.")
    ] = None,
    device: Devices = None,
    as_json: Json = False,
) -> None:
    """Compare every spike with PyTorch, or the integer reference; exit 6 when they differ."""
    if cli_plain.is_plain(path):
        cli_plain.refuse({"--device": device, "--limit": limit, "--input": words != "words"})
        cli_plain.check(path, as_json)
        return
    if device:
        cli_devices.check_devices(path, device, words, limit, as_json)
        return
    from delrec_compile import child, report
    from delrec_compile.errors import ParityError
    from delrec_compile.prove import describe_difference

    with saying() as say:
        say("checking spikes against PyTorch")
        parity = child.call(
            "delrec_compile.prove:checked",
            path=str(path),
            network=network,
            words=words,
            limit=limit,
        )
    if as_json:
        print_json("check", **parity)
    else:
        rows = report.parity_rows([parity])
        show(report.table(report.parity_title([parity]), report.PARITY_COLUMNS, rows))
        show(*report.integer_lines("integer form", [parity]))
    if not parity["passed"]:
        raise ParityError(describe_difference(parity))
    if not as_json:
        if parity["spikes"]["differing"]:
            show(
                "the differing spikes are explained: each lies within float error of the threshold"
            )
        show_next(f"delrec-compile run {path}" if path.is_dir() else "delrec-compile build")


@app.command()
def bench(
    path: Annotated[
        Path | None, typer.Argument(help="An artifact folder; by default the bundled one is built.")
    ] = None,
    words: Words = "words",
    rows: Annotated[str, typer.Option(help="Engines to time, with commas; default: all.")] = "",
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Times each engine is measured [25; 5 of a batch].")
    ] = None,
    form: Annotated[
        str,
        typer.Option(help="step: one call per step; sequence: whole words; batch: many at once."),
    ] = "step",
    batch: Annotated[int | None, typer.Option(min=1, help="Streams of --form batch [256].")] = None,
    device: Devices = None,
    as_json: Json = False,
) -> None:
    """Time an artifact beside its peers, interleaved, on one thread; or on other machines."""
    if path is not None and cli_plain.is_plain(path):
        cli_plain.refuse({"--device": device, "--form": form != "step", "--rows": rows})
        cli_plain.refuse({"--batch": batch, "--input": words != "words"})
        cli_plain.bench(path, rounds, as_json)
        return
    if device:
        cli_devices.bench_devices(path, device, words, rows, rounds or 25, as_json)
        return
    import tempfile

    from delrec_compile import checkpoint, report
    from delrec_compile.bench import bench as measure
    from delrec_compile.bench import names_for, streams
    from delrec_compile.build import build as build_artifact

    named = tuple(r.strip() for r in rows.split(",") if r.strip()) or None
    chosen = names_for(form, named)
    streams(form, batch)
    with tempfile.TemporaryDirectory() as folder, saying() as say:
        if path is None:
            path = Path(folder) / "artifact"
            build_artifact(checkpoint.load(DEFAULT), out=path, progress=say)
        compiled = {"torch_compile", "aot_inductor"} & set(chosen)
        patience = "; PyTorch compiles its own forms first: a minute or two" if compiled else ""
        say(f"timing {len(chosen)} engines{patience}")
        result = measure(path, words, rows=named, rounds=rounds, form=form, batch=batch)
    if as_json:
        print_json("bench", **result.as_dict())
        return
    show(report.table("latency", report.BENCH_COLUMNS, report.bench_rows(result)))
    show(report.bench_line(result))
    show_next("delrec-compile inspect")


@app.command()
def inspect(model: Model = DEFAULT, as_json: Json = False) -> None:
    """Show a network: sizes, savings, state, ONNX schema."""
    from delrec_compile import checkpoint, report
    from delrec_compile.inspect import inspect as facts_of

    facts = facts_of(checkpoint.load(model))
    if as_json:
        print_json("inspect", **facts)
        return
    show(report.network_table(facts), *report.network_lines(facts), "")
    state = [
        (f"past_{s['name']} -> present_{s['name']}", str(["batch", *s["shape"]]), s["meaning"])
        for s in facts["onnx"]["state"]
    ]
    show(report.table("state of the ONNX step", ("tensor", "shape", "meaning"), state))
    for key, value in facts["notes"].items():
        show(f"{key}: {value}")
    show_next(f"delrec-compile build {model}")


@app.command()
def targets(as_json: Json = False) -> None:
    """List the targets and whether this machine can build for them."""
    from delrec_compile import nvrtc, report, toolchain
    from delrec_compile import targets as profiles
    from delrec_compile.doctor import missing

    rows: list[dict[str, Any]] = []
    for name in profiles.names():
        profile = profiles.load(name)
        lacks = missing(profile)
        fix = (
            {"zig": toolchain.MEND_CROSS, "cuda": nvrtc.MEND}.get(lacks[0], toolchain.MEND)
            if lacks
            else ""
        )
        rows.append(
            {
                "name": name,
                "summary": profile.summary,
                "ready": not lacks,
                "missing": lacks,
                "fix": fix,
                "numeric": list(profile.numeric),
                "how": profile.how,
            }
        )
    if as_json:
        print_json("targets", targets=rows)
        return
    cells = [
        (r["name"], r["summary"], "yes" if r["ready"] else "no", ", ".join(r["numeric"]), r["fix"])
        for r in rows
    ]
    show(report.table("targets", ("target", "what", "ready", "numeric", "fix"), cells))
    show_next(f"delrec-compile build --target {rows[0]['name']}")


@app.command()
def doctor(as_json: Json = False) -> None:
    """Probe every tool that a command may need; exit 5 when one is missing."""
    from delrec_compile import report
    from delrec_compile.doctor import doctor as probe

    findings = probe()
    bad = [f for f in findings if not f.ok]
    if as_json:
        print_json("doctor", findings=[asdict(f) for f in findings], ready=not bad)
    else:
        columns = ("tool", "state", "what is here", "needed for", "fix")
        show(report.table("this machine", columns, report.finding_rows(findings)))
    if bad:
        raise typer.Exit(5)
    if not as_json:
        show_next("delrec-compile build")


app.command()(claims)
app.command()(compare)
app.command()(flash)
app.command()(footprint)
app.command("import")(import_)
app.command()(train)
app.command()(tune)


def main() -> None:
    """Entry point: one line per error, its exit code, no traceback without --debug."""
    try:
        code = app(standalone_mode=False)
    except TyperException as error:
        code = error.exit_code
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message())
        else:
            _fail(error, error.format_message(), code)
    except DelrecError as error:
        code = _fail(error, str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted", file=sys.stderr)
        code = 130
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
        code = 0
    except Exception as error:
        text = f"internal error: {type(error).__name__}: {error}; run again with --debug, report it"
        code = _fail(error, text, 1)
    sys.exit(code or 0)


def _fail(error: Exception, text: str, code: int) -> int:
    if os.environ.get("DELREC_DEBUG"):
        raise error
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
