"""The report of an artifact, as lines, rows of cells and Markdown, and as the JSON of `build`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from delrec_compile.artifact.manifest import Artifact, Manifest
from delrec_compile.artifact.plain import PlainManifest
from delrec_compile.compiler.schedules.choice import PROFILE, STORE
from delrec_compile.evaluation import hearing, markdown
from delrec_compile.evaluation.baselines import registry
from delrec_compile.evaluation.latency.result import Bench
from delrec_compile.evaluation.picture import delays, picture
from delrec_compile.evaluation.proof import Proof
from delrec_compile.ops.real_input import input_text
from delrec_compile.runners.firing import silence
from delrec_compile.system.files import write_atomic
from delrec_compile.targets.profile import Memory

Rows = Iterable[Sequence[str]]
CHAIN_COLUMNS = ("", "size", "recurrence", "recurrent parameters", "longest delay", "grid")
GRAPH_COLUMNS = ("population", "neurons", "model", "from", "map", "parameters", "delays", "grid")
PARITY_COLUMNS = ("engine", "spikes compared", "differing", "worst membrane error", "accuracy")
BENCH_COLUMNS = ("engine", "us per step", "times ours")


def write_report(artifact: Artifact, summary: dict[str, Any], proof: Proof) -> None:
    """Writes report.md into the artifact. summary: of its network, see `network.summary`."""
    write_atomic(artifact.path / "report.md", report(artifact, summary, proof).encode())


def report(artifact: Artifact, summary: dict[str, Any], proof: Proof) -> str:
    """The text of report.md."""
    checks, bench = proof.checks, proof.bench
    title = parity_title(checks)
    parts = [f"# {markdown.plain(summary['name'])}", *network_lines(summary), ""]
    parts += [*markdown.table(*network_table(summary), right=False), ""]
    parts += ["```", *picture(summary), "```", ""]
    parts += [f"## {title[0].upper()}{title[1:]}", ""]
    parts += markdown.table(PARITY_COLUMNS, parity_rows(checks), right=False)
    for told in (*remark_lines(checks), *silence_lines(checks)):
        parts += ["", told]
    if costs := integer_lines(str(artifact.manifest.numeric), checks):
        parts += ["", *costs]
    if proof.emulated is not None:
        parts += ["", emulated_line(proof.emulated)]
    if proof.listening:
        parts += ["", hearing.line(proof.listening)]
    if line := schedule_line(artifact.manifest):
        parts += ["", line]
    if bench is not None:
        w = bench.workload
        parts += [
            *("", "## Latency", ""),
            f"{w.get('device', 'Batch 1, one thread')}, medians of interleaved runs; inputs "
            f"{w['input_density']:.1%} active, hidden neurons {w['hidden_rate']:.1%}.",
            "",
            *markdown.table(BENCH_COLUMNS, bench_rows(bench), right=False),
        ]
    return "\n".join(parts) + "\n"


def build_result(artifact: Artifact, summary: dict[str, Any], proof: Proof) -> dict[str, Any]:
    """The fields of `build --json`."""
    root, cost, manifest = artifact.path, proof.emulated, artifact.manifest
    return {
        "artifact": str(root),
        "archive": str(artifact.archive),
        "target": manifest.target,
        "numeric": manifest.numeric,
        "files": sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()),
        "check": proof.check,
        "onnxruntime": proof.onnxruntime,
        "latency": {
            "us_per_step": proof.bench.rows[0].us_per_step if proof.bench else None,
            "instructions_per_step": cost["instructions_per_step"] if cost else None,
            "how": proof.how if cost or proof.bench else None,
        },
        "emulated": cost,
        "bench": proof.bench.as_dict() if proof.bench else None,
        "flash_bytes": manifest.flash_bytes,
        "ram_bytes": manifest.ram_bytes,
        "library_bytes": manifest.library_bytes,
        "schedule": manifest.schedule,
        "tuning": manifest.tuning,
        "state_bytes": summary["state_bytes"]["artifact"],
        **({"listening": proof.listening} if proof.listening else {}),
    }


def network_lines(summary: dict[str, Any]) -> list[str]:
    """Parameters, state and exactness of a network, one line each."""
    state, recurrent = summary["state_bytes"], summary["recurrent_parameters"]
    parameters = f"{summary['parameters']:,} parameters"
    if recurrent:
        saving = f"{summary['saving']:.1%} fewer than a dense recurrence with delays"
        parameters += f", {recurrent:,} of them recurrent ({saving})"
    sums = (
        "every sum is exact: all engines compute the same bits"
        if summary["exact"]
        else "sums round: engines agree up to float error"
    )
    return [
        parameters,
        f"state of one stream: {state['artifact']:,} bytes compiled, {state['onnx']:,} in ONNX",
        f"step of {summary['dt_ms']:g} ms; {sums}",
        *([f"inputs: {input_text(summary)}"] if summary.get("input_bits") is not None else []),
    ]


def network_table(summary: dict[str, Any]) -> tuple[Sequence[str], Rows]:
    """Columns and rows of the network: its layers, or the projections of each population."""
    if summary["layers"]:
        return CHAIN_COLUMNS, _layer_rows(summary)
    return GRAPH_COLUMNS, _projection_rows(summary)


def _projection_rows(summary: dict[str, Any]) -> Rows:
    """A row for each projection; the first of a population names it."""
    for p in summary["populations"]:
        own = (p["name"], str(p["size"]), p["model"])
        grid = _grid(p)
        for each in (each for each in summary["projections"] if each["target"] == p["name"]):
            parameters = "shared" if each["shared"] else f"{each['parameters']:,}"
            yield (*own, each["source"], each["map"], parameters, delays(each) or "-", grid)
            own, grid = ("", "", ""), ""


def _layer_rows(summary: dict[str, Any]) -> Rows:
    """A row for each layer, the readout last."""
    for i, x in enumerate(summary["layers"]):
        size, longest = f"{x['inputs']} -> {x['neurons']}", str(x["max_delay"])
        own = ("-", "0", "-")
        if x["recurrence"]:
            own = (x["recurrence"], f"{x['recurrent_parameters']:,}", longest)
        yield (f"layer {i}", size, *own, _grid(x))
    last = summary["layers"][-1]["neurons"]
    yield ("readout", f"{last} -> {summary['outputs']}", "-", "-", "-", _grid(summary["readout"]))


def _grid(part: dict[str, Any]) -> str:
    """The step of the weights' grid, and their bits where they are not 16."""
    if part["grid"] is None:
        return "-"
    return f"2^-{part['grid']}" + (
        "" if part["weight_bits"] == 16 else f", {part['weight_bits']} bits"
    )


def parity_title(checks: Iterable[dict[str, Any]]) -> str:
    """The title over `parity_rows`; it names PyTorch where that is the reference of all."""
    only_torch = all(c["reference"] == "torch" for c in checks)
    return "parity with PyTorch" if only_torch else "parity"


def parity_rows(checks: Iterable[dict[str, Any]]) -> Rows:
    """A row of PARITY_COLUMNS for each check."""
    for c in checks:
        yield (
            c["target"] + (", vs integer reference" if c["reference"] == "integer" else ""),
            f"{c['spikes']['compared']:,}",
            f"{c['spikes']['differing']:,}",
            f"{c['membrane']['max_abs_error']:.3g}",
            share(c["accuracy"]),
        )


def remark_lines(checks: Iterable[dict[str, Any]]) -> list[str]:
    """What was left out of a check."""
    return [f"{c['target']}: {c['remark']}" for c in checks if c.get("remark")]


def silence_lines(checks: Iterable[dict[str, Any]]) -> list[str]:
    """A warning on the populations that never fired in a check whose others did."""
    for c in checks:
        firing = c.get("firing", {})
        fired, names = firing.get("fired", []), firing.get("populations", ())
        silent = [i for i, n in enumerate(fired) if not n]
        if any(fired) and (line := silence(silent, names, "population" if names else "layer")):
            return [f"warning: {line}"]
    return []


def share(value: float | None) -> str:
    """A share in percent; a dash for None."""
    return "-" if value is None else f"{value:.1%}"


def integer_lines(numeric: str, checks: Iterable[dict[str, Any]]) -> list[str]:
    """The cost of an integer mode on the samples checked; no line for float32."""
    out = []
    for c in checks:
        cost = c.get("against_float")
        if cost is None:
            continue
        spikes = c["spikes"]["compared"]
        correct = ""
        if c["accuracy"] is not None:
            correct = (
                f"{c['accuracy']:.1%} of {c['sequences']:,} samples correct, float32 "
                f"{cost['accuracy']:.1%}; "
            )
        out.append(
            f"{numeric}: {correct}{cost['classes_differing']:,} classes and "
            f"{cost['spikes_differing']:,} of {spikes:,} spikes "
            f"({cost['spikes_differing'] / spikes:.3%}) differ from float32"
        )
        out.append(f"{numeric} is in integer.safetensors and the code; model.onnx is float32")
    return out


def bench_rows(bench: Bench) -> Rows:
    """A row of BENCH_COLUMNS for each engine, skipped ones last."""
    for row in bench.rows:
        engine, _, streams = row.name.partition("@")
        name = registry.title(engine) + (f", {streams} streams" if streams else "")
        yield (name, f"{row.us_per_step:.2f}", f"{row.ratio_to_ours:.1f}x")
    for engine, reason in bench.skipped.items():
        yield (registry.title(engine), "-", f"skipped: {reason}")


def bench_line(bench: Bench) -> str:
    """The workload of a benchmark."""
    w = bench.workload
    descriptions = {
        "step": "one step at a time, one stream",
        "sequence": "whole samples at once, one stream",
        "batch": f"whole samples of {w['batch']} streams at once; us are of all streams",
    }
    return (
        f"{w.get('device') or descriptions[w['form']] + ', one thread'}, {w['steps']} steps per "
        f"sample; inputs {w['input_density']:.1%} active, hidden neurons {w['hidden_rate']:.1%}"
    )


def emulated_line(cost: dict[str, Any]) -> str:
    """Instructions, stack and estimated time of a run in an emulator, or the GPU's name."""
    if cost["instructions_per_step"] is None:
        return f"run on {cost['how']}" if "device" in cost["how"] else str(cost["how"])
    every = cost.get("counted_every", 1)
    counted = f" (one step of {every} counted)" if every > 1 else ""
    text = (
        f"{cost['how']}: {cost['instructions_per_step']:,.0f} instructions per step{counted}, "
        f"{cost['worst_instructions']:,} at most, {cost['stack_bytes']:,} bytes of stack"
    )
    if cost["estimated_us"] is None:
        return text
    return (
        f"{text}; estimate at {cost['clock_mhz']:g} MHz and one cycle each: "
        f"~{cost['estimated_us']:,.0f} us, {cost['estimated_share_of_dt']:.1%} of a step"
    )


def size_line(manifest: Manifest | PlainManifest) -> str | None:
    """Flash and RAM that a program for a chip takes; None for other artifacts."""
    if manifest.ram_bytes is None:
        return None
    memory = Memory.from_table(manifest.memory, "'memory' of the manifest").map
    bound = getattr(manifest, "stack_bytes", None)
    stack = f"; stack: at most {bound:,} bytes" if bound is not None else ", without stack"
    return (
        f"{memory.name}: {manifest.flash_bytes:,} of {memory.flash.size:,} bytes of flash, "
        f"{manifest.ram_bytes:,} of {memory.ram.size:,} bytes of RAM{stack}"
    )


def schedule_line(manifest: Manifest) -> str | None:
    """The origin of a tuned schedule; None where the profile's own is used."""
    tuning = manifest.tuning
    if tuning is None or tuning["origin"] == PROFILE:
        return None
    places = {STORE: "the store of tuned schedules"}
    return (
        f"schedule from {places.get(tuning['origin'], tuning['origin'])}: when tuned, "
        f"{1 / tuning['ratio']:.2f}x as fast as the profile's own"
    )
