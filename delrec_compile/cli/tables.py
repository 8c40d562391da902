"""Results as tables for people, and as Markdown for an artifact's report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table

from delrec_compile.artifact.manifest import Artifact, Manifest
from delrec_compile.compiler.schedules.choice import PROFILE, STORE
from delrec_compile.evaluation import markdown as markdown_table
from delrec_compile.evaluation.baselines import registry
from delrec_compile.evaluation.latency.result import Bench
from delrec_compile.evaluation.proof import Proof
from delrec_compile.system.doctor import Finding
from delrec_compile.targets.profile import Memory

Rows = Iterable[Sequence[str]]


def table(title: str, columns: Sequence[str], rows: Rows) -> Table:
    out = Table(title=title, title_justify="left", title_style="bold")
    for i, column in enumerate(columns):
        out.add_column(column, justify="left" if i == 0 else "right")
    for row in rows:
        out.add_row(*row)
    return out


def network_table(facts: dict[str, Any]) -> Table:
    rows = [
        (
            f"layer {i}",
            f"{x['inputs']} -> {x['neurons']}",
            x["recurrence"] or "-",
            f"{x['recurrent_parameters']:,}",
            str(x["max_delay"]) if x["recurrence"] else "-",
        )
        for i, x in enumerate(facts["layers"])
    ]
    last = facts["layers"][-1]["neurons"]
    rows.append(("readout", f"{last} -> {facts['outputs']}", "-", "-", "-"))
    columns = ("", "size", "recurrence", "recurrent parameters", "longest delay")
    return table(f"network {facts['name']}", columns, rows)


def network_lines(facts: dict[str, Any]) -> list[str]:
    state = facts["state_bytes"]
    saving = f"{facts['saving']:.1%} fewer than a dense recurrence with delays"
    exact = (
        "every sum is exact: all engines give the same bits"
        if facts["exact"]
        else ("sums round: engines agree up to float error")
    )
    return [
        f"{facts['parameters']:,} parameters, {facts['recurrent_parameters']:,} of them recurrent "
        f"({saving})"
        if facts["recurrent_parameters"]
        else f"{facts['parameters']:,} parameters",
        f"state of one stream: {state['artifact']:,} bytes compiled, {state['onnx']:,} as ONNX shows it",
        f"step of {facts['dt_ms']:g} ms; {exact}",
    ]


PARITY_TITLE = "parity with PyTorch"
PARITY_COLUMNS = ("engine", "spikes compared", "differing", "worst membrane error", "accuracy")


def parity_rows(checks: Iterable[dict[str, Any]]) -> Rows:
    for c in checks:
        yield (
            c["target"] + (", to integer reference" if c["reference"] == "integer" else ""),
            f"{c['spikes']['compared']:,}",
            f"{c['spikes']['differing']:,}",
            f"{c['membrane']['max_abs_error']:.3g}",
            f"{c['accuracy']:.1%}",
        )


def parity_title(checks: Iterable[dict[str, Any]]) -> str:
    return "parity" if any(c["reference"] != "torch" for c in checks) else PARITY_TITLE


def integer_lines(numeric: str, checks: Iterable[dict[str, Any]]) -> list[str]:
    """What whole numbers cost on the samples checked; nothing of float32."""
    out = []
    for c in checks:
        cost = c.get("against_float")
        if cost is None:
            continue
        spikes = c["spikes"]["compared"]
        out.append(
            f"{numeric}: {c['accuracy']:.1%} of {c['sequences']:,} samples right, float32 "
            f"{cost['accuracy']:.1%}; {cost['classes_differing']:,} classes and "
            f"{cost['spikes_differing']:,} of {spikes:,} spikes "
            f"({cost['spikes_differing'] / spikes:.3%}) differ from float32"
        )
        out.append(f"{numeric} is in integer.safetensors and the code; model.onnx is float32")
    return out


BENCH_COLUMNS = ("engine", "us per step", "times ours")


def bench_rows(bench: Bench) -> Rows:
    for row in bench.rows:
        kind, _, streams = row.name.partition("@")
        name = registry.title(kind) + (f", {streams} streams" if streams else "")
        yield (name, f"{row.us_per_step:.2f}", f"{row.ratio_to_ours:.1f}x")
    for kind, why in bench.skipped.items():
        yield (registry.title(kind), "-", f"skipped: {why}")


def bench_line(bench: Bench) -> str:
    """What was run."""
    w = bench.workload
    what = {
        "step": "one step at a time, one stream",
        "sequence": "whole samples at once, one stream",
        "batch": f"whole samples of {w['batch']} streams at once; us are of all streams",
    }
    return (
        f"{w.get('device') or what[w['form']] + ', one thread'}, {w['steps']} steps per sample; "
        f"inputs {w['input_density']:.1%} active, hidden neurons {w['hidden_rate']:.1%}"
    )


def emulated_line(cost: dict[str, Any]) -> str:
    if cost["instructions_per_step"] is None:
        return f"run on {cost['how']}" if "device" in cost["how"] else str(cost["how"])
    text = (
        f"{cost['how']}: {cost['instructions_per_step']:,.0f} instructions per step, "
        f"{cost['worst_instructions']:,} at most, {cost['stack_bytes']:,} bytes of stack"
    )
    if cost["estimated_us"] is None:
        return text
    return (
        f"{text}; estimate at {cost['clock_mhz']:g} MHz and one cycle each: "
        f"~{cost['estimated_us']:,.0f} us, {cost['estimated_share_of_dt']:.1%} of a step"
    )


def size_line(manifest: Manifest) -> str | None:
    """What a program for a chip takes of it."""
    if manifest.ram_bytes is None:
        return None
    memory = Memory.from_table(manifest.memory, "'memory' of the manifest").map
    return (
        f"{memory.name}: {manifest.flash_bytes:,} of {memory.flash.size:,} bytes of flash, "
        f"{manifest.ram_bytes:,} of {memory.ram.size:,} bytes of RAM, without stack"
    )


def schedule_line(manifest: Manifest) -> str | None:
    """Where a tuned schedule comes from; nothing of the profile's own."""
    tuning = manifest.tuning
    if tuning is None or tuning["origin"] == PROFILE:
        return None
    places = {STORE: "the store of tuned schedules"}
    return (
        f"schedule from {places.get(tuning['origin'], tuning['origin'])}: when tuned, "
        f"{1 / tuning['ratio']:.2f}x as fast as the profile's own"
    )


def finding_rows(findings: Iterable[Finding]) -> Rows:
    for f in findings:
        yield (f.name, "ok" if f.ok else "missing", f.detail, f.needed_for, f.fix)


def build_facts(artifact: Artifact, facts: dict[str, Any], proof: Proof) -> dict[str, Any]:
    """What `build --json` says."""
    root, cost = artifact.path, proof.emulated
    return {
        "artifact": str(root),
        "archive": str(artifact.archive),
        "target": artifact.manifest.target,
        "numeric": artifact.manifest.numeric,
        "files": sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()),
        "check": proof.check,
        "onnxruntime": proof.onnxruntime,
        "latency": {
            "us_per_step": proof.bench.rows[0].us_per_step if proof.bench else None,
            "instructions_per_step": cost["instructions_per_step"] if cost else None,
            "how": _how(proof),
        },
        "emulated": cost,
        "bench": proof.bench.as_dict() if proof.bench else None,
        "flash_bytes": artifact.manifest.flash_bytes,
        "ram_bytes": artifact.manifest.ram_bytes,
        "library_bytes": artifact.manifest.library_bytes,
        "schedule": artifact.manifest.schedule,
        "tuning": artifact.manifest.tuning,
        "state_bytes": facts["state_bytes"]["artifact"],
    }


def _how(proof: Proof) -> str | None:
    if proof.emulated:
        return "device" if proof.emulated["how"].startswith("device") else "emulated"
    return "native" if proof.bench else None


def markdown(artifact: Artifact, facts: dict[str, Any], proof: Proof) -> str:
    """report.md of an artifact."""
    checks, bench = proof.checks, proof.bench
    title = parity_title(checks)
    title = title[0].upper() + title[1:]
    parts = [f"# {facts['name']}", *network_lines(facts), "", f"## {title}", ""]
    parts += markdown_table.table(PARITY_COLUMNS, parity_rows(checks), right=False)
    if costs := integer_lines(artifact.manifest.numeric, checks):
        parts += ["", *costs]
    if proof.emulated is not None:
        parts += ["", emulated_line(proof.emulated)]
    if line := schedule_line(artifact.manifest):
        parts += ["", line]
    if bench is not None:
        w = bench.workload
        parts += ["", "## Latency", ""]
        parts += [
            f"{w.get('device', 'Batch 1, one thread')}, medians of interleaved runs; inputs "
            f"{w['input_density']:.1%} active, hidden neurons {w['hidden_rate']:.1%}.",
            "",
            *markdown_table.table(BENCH_COLUMNS, bench_rows(bench), right=False),
        ]
    return "\n".join(parts) + "\n"
