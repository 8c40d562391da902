"""The page of an artifact, and of a network that was not built."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from delrec_compile import __version__
from delrec_compile.artifact import package
from delrec_compile.artifact.manifest import Artifact, Manifest
from delrec_compile.data.events import Events
from delrec_compile.evaluation import report
from delrec_compile.evaluation.page import latency, memory, sections
from delrec_compile.evaluation.page.axes import size, time
from delrec_compile.evaluation.page.figures import (
    Fact,
    Lines,
    Page,
    Score,
    Section,
    Stage,
    Stages,
    Table,
)
from delrec_compile.evaluation.page.recording import Recording, beside, record
from delrec_compile.evaluation.proof import describe_difference
from delrec_compile.network.grid import row_bytes
from delrec_compile.network.model import Network
from delrec_compile.network.summary import inspect, state_bytes
from delrec_compile.system.host import machine


def network_page(
    network: Network, samples: Events, index: int, command: str
) -> tuple[Page, Recording]:
    """A network that was not compiled: no times, no sizes of programs."""
    summary, r = inspect(network), record(network, samples, index)
    facts = (*_network_facts(summary), _class_fact(r))
    parts = (
        sections.network_section(summary),
        *sections.sample_sections(r),
        sections.delays_section(network),
        _least(network),
        sections.energy_section(network, samples),
        sections.environment_section({"delrec-compile": __version__}, machine(), command),
    )
    about = "A frozen network that was not compiled yet."
    return Page(network.name, about, facts, sections.present(parts), command), r


def artifact_page(
    artifact: Artifact, network: Network, samples: Events, index: int | None, command: str
) -> tuple[Page, Recording]:
    """An artifact with what its build measured. index: of the sample; None: that of the
    first difference."""
    m, measured = artifact.manifest, package.measured(artifact)
    summary, checks = inspect(network), _checks(measured)
    r = record(network, samples, _sample(index, checks, len(samples)))
    r = beside(r, artifact, network, samples)
    parts = (
        sections.network_section(summary),
        *sections.sample_sections(r),
        sections.delays_section(network),
        parity_section(checks, str(m.numeric)),
        _latency_section(measured, m),
        _memory_section(m, network),
        sections.energy_section(network, samples),
        pipeline_section(artifact),
        sections.environment_section(
            {"delrec-compile": __version__, **m.tools},
            measured.get("machine") or machine(),
            command,
            _rebuilt(m),
        ),
    )
    about = f"Compiled for {m.target} in {m.numeric}; steps of {m.dt_ms:g} ms."
    facts = tuple(_facts(m, measured, checks, summary, r))
    scores = tuple(_scores(checks))
    return Page(m.name, about, facts, sections.present(parts), command, scores), r


def _checks(measured: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = [measured.get("check"), measured.get("onnxruntime")]
    return [c for c in found if c]


def _sample(index: int | None, checks: list[dict[str, Any]], count: int) -> int:
    """The sample asked for, or that of the first difference, where it is at hand."""
    if index is not None:
        return index
    found = [c["spikes"]["first"]["sequence"] for c in checks if c["spikes"]["first"]]
    return found[0] if found and found[0] < count else 0


def _scores(checks: list[dict[str, Any]]) -> Iterator[Score]:
    """The accuracy of the first check."""
    for c in checks[:1]:
        if c["accuracy"] is not None:
            yield Score("accuracy", c["accuracy"], f"{_samples(c['sequences'])} of the check")


def _samples(count: int) -> str:
    return f"{count:,} sample{'' if count == 1 else 's'}"


def _network_facts(summary: Mapping[str, Any]) -> list[Fact]:
    delay = summary["max_delay"]
    ms = delay * summary["dt_ms"]
    return [
        Fact("parameters", f"{summary['parameters']:,}",
             f"{summary['recurrent_parameters']:,} of them recurrent"),
        Fact("longest delay", f"{delay} steps", f"{ms:g} ms"),
    ]  # fmt: skip


def _class_fact(r: Recording) -> Fact:
    wrong = "" if r.label in (None, r.decided) else f", label {r.named(r.label or 0)}"
    return Fact("sample shown", r.named(r.decided), f"sample {r.index}{wrong}")


def _facts(
    m: Manifest,
    measured: Mapping[str, Any],
    checks: list[dict[str, Any]],
    summary: Mapping[str, Any],
    r: Recording,
) -> Iterator[Fact]:
    """The figures of the head."""
    if checks:
        c = checks[0]
        differing, compared = c["spikes"]["differing"], c["spikes"]["compared"]
        kind = "good" if c["passed"] else "bad"
        reference = "PyTorch" if c["reference"] == "torch" else "the integer reference"
        yield Fact(
            "spikes that differ", f"{differing:,}", f"of {compared:,}, from {reference}", kind
        )
        if c["accuracy"] is not None:
            yield Fact("accuracy", f"{c['accuracy']:.1%}", _samples(c["sequences"]))
    rows = {x["name"]: x for x in (measured.get("bench") or {}).get("rows", ())}
    cost = measured.get("emulated") or {}
    if rows.get("ours", {}).get("us_per_step"):
        ratio = rows.get("torch_eager", {}).get("ratio_to_ours")
        yield Fact("time per step", time(rows["ours"]["us_per_step"]),
                   f"{ratio:,.0f}x as fast as PyTorch" if ratio else "")  # fmt: skip
    elif cost.get("estimated_us"):
        yield Fact("time per step, estimate", f"~{time(cost['estimated_us'])}",
                   f"{cost['instructions_per_step']:,.0f} instructions")  # fmt: skip
    if m.flash_bytes is not None and m.ram_bytes is not None:
        stack = f", stack at most {size(m.stack_bytes)}" if m.stack_bytes is not None else ""
        yield Fact("program", size(m.flash_bytes), f"flash; RAM {size(m.ram_bytes)}{stack}")
    elif m.library_bytes is not None:
        yield Fact("library", size(m.library_bytes), f"{size(m.state_bytes)} of state a stream")
    yield from _network_facts(summary)
    yield _class_fact(r)


def parity_section(checks: list[dict[str, Any]], numeric: str) -> Section:
    """The checks of the build, and the first difference of each that has one."""
    if not checks:
        return Section(
            "parity", "Parity", (Lines(("The code was not run: nothing was compared.",)),)
        )
    kinds = ["" if c["passed"] else "failed" for c in checks]
    rows = list(report.parity_rows(checks))
    title = report.parity_title(checks)
    table = Table(title[0].upper() + title[1:], report.PARITY_COLUMNS, rows, kinds=kinds)
    bad = [describe_difference(c) for c in checks if not c["passed"]]
    notes = [
        *report.remark_lines(checks),
        *report.silence_lines(checks),
        *report.integer_lines(numeric, checks),
    ]
    parts: list[Any] = [table, Lines(tuple(bad), "bad")] if bad else [table]
    parts += [Lines(tuple(notes))] if notes else []
    return Section("parity", "Parity", tuple(parts))


def _latency_section(measured: Mapping[str, Any], m: Manifest) -> Section | None:
    bars = latency.of_artifact(measured, m.dt_ms)
    if bars is None:
        return None
    lines = []
    if measured.get("bench"):
        w = measured["bench"]["workload"]
        lines.append(
            f"{w.get('device') or 'Batch 1, one thread'}, medians of interleaved runs; inputs "
            f"{w['input_density']:.1%} active, hidden neurons {w['hidden_rate']:.1%}."
        )
    if measured.get("emulated"):
        lines.append(report.emulated_line(measured["emulated"]))
    if (text := report.schedule_line(m)) is not None:
        lines.append(text)
    return Section("latency", "Latency", (bars, Lines(tuple(lines))))


def _memory_section(m: Manifest, network: Network) -> Section:
    if m.flash_bytes is not None and m.ram_bytes is not None:
        bars = memory.of_programs([(m.target, m.core, m.flash_bytes, m.ram_bytes)])
        if bars is not None:
            return Section("memory", "Memory", (bars,))
    return _least(network)


def _least(network: Network) -> Section:
    bars = memory.at_least(row_bytes(network), state_bytes(network)["artifact"])
    return Section("memory", "Memory", (bars,))


def pipeline_section(artifact: Artifact) -> Section:
    """From the frozen network to the code, with the size of every file."""
    root, m = artifact.path, artifact.manifest
    sizes = {name: (root / name).stat().st_size for name in sorted(m.files)}
    code = [
        n
        for n in sizes
        if n.startswith(("lib/", "src/", "include/")) or n.endswith((".cu", ".ptx"))
    ]
    stages = [
        Stage("network", "frozen, on its grid", size(sizes.get("network.safetensors", 0))),
        Stage("ONNX step", "proven equal to PyTorch", size(sizes.get("model.onnx", 0))),
        Stage("TVM", "Relax to TIR to code, for " + m.target),
        Stage("code", f"{len(code)} files", size(sum(sizes[n] for n in code))),
    ]
    if artifact.archive.is_file():
        stages.append(
            Stage("archive", artifact.archive.name, size(artifact.archive.stat().st_size))
        )
    rows = [(name, size(n), m.files[name][:12]) for name, n in sizes.items()]
    table = Table("Files", ("file", "size", "sha256, first digits"), rows, folded=True)
    return Section("pipeline", "Pipeline", (Stages(tuple(stages)), table))


def _rebuilt(m: Manifest) -> str:
    numeric = [] if m.numeric == "float32" else ["--numeric", str(m.numeric)]
    words = ["delrec-compile", "build", "network.safetensors", "--target", m.target, *numeric]
    return shlex.join(words)
