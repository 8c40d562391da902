"""The footprint of a compiled network as a bare C program: memory, cold start, size, state.

Every figure is of a fresh process that runs one sample and is compared with the reference. Baselines run
the same sample in Python, in turn with it. Memory is VmHWM, the most that was resident. A cold start
is from before the process is made to its first membranes, with its files in the page cache.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.aliases import F32, StageProgress
from delrec_compile.artifact.manifest import Artifact, load_artifact
from delrec_compile.errors import (
    ParityError,
    UnsupportedError,
    UsageError,
)
from delrec_compile.evaluation.footprint.process import ProcessRun, run_program
from delrec_compile.evaluation.footprint.programs import (
    KINDS,
    NAMES,
    OURS,
    Program,
    check_names,
    make_program,
)
from delrec_compile.evaluation.latency.result import spread
from delrec_compile.network import checkpoint
from delrec_compile.network.inputs import AUTO, Source, read_inputs
from delrec_compile.network.model import Network
from delrec_compile.network.tolerances import LOOSE
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.system.elf import elf_parts
from delrec_compile.system.folders import work_folder
from delrec_compile.system.renamed import renamed_arguments

STREAMS = 1000  # more than one, to see what each takes
STARTS = 5  # of a bare program, for one of a baseline


@dataclass(frozen=True)
class FootprintRow:
    """One program; medians over its processes.

    cold_start_ms: from before the process is made. cold_start_cpu_ms: CPU time in it, which does
    not grow with the load of the machine. spread: interquartile range over the median, of the former.
    disk_bytes: the program and its library, or the packages of a baseline. The ratios are to the first
    row. skipped: why there are no figures.
    """

    name: str
    rss_bytes: int | None = None
    cold_start_ms: float | None = None
    cold_start_cpu_ms: float | None = None
    spread: float | None = None
    disk_bytes: int | None = None
    ratio_rss: float | None = None
    ratio_cold_start: float | None = None
    ratio_disk: float | None = None
    skipped: str | None = None

    @property
    def title(self) -> str:
        """Its title in tables."""
        return KINDS[self.name].title


@dataclass(frozen=True)
class Footprint:
    """The result of a measurement.

    rows: in the order of NAMES. state: bytes of one stream's state, and what each of many streams
    adds. parts: sections of the library, in bytes.
    """

    rows: tuple[FootprintRow, ...]
    state: dict[str, Any]
    parts: dict[str, int]
    workload: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "rows": [asdict(r) for r in self.rows],
            "state": self.state,
            "parts": self.parts,
            "workload": self.workload,
        }


@renamed_arguments(words="samples")
def footprint(
    artifact: Artifact | Path | str,
    samples: Source = AUTO,
    *,
    rows: Sequence[str] = NAMES,
    rounds: int = 5,
    progress: StageProgress = lambda _done, _total, _note: None,
) -> Footprint:
    """Measures an artifact of this machine beside Python baselines.

    rows: out of NAMES. rounds: processes of each baseline. Raises UnsupportedError for code of another
    machine, ParityError when a program computes different outputs, ToolchainError, CompilerCrash.
    """
    built = artifact if isinstance(artifact, Artifact) else load_artifact(artifact)
    chosen = _chosen(built, rows, rounds)
    network = checkpoint.load(built.path / "network.safetensors")
    x = np.ascontiguousarray(read_inputs(network, samples).samples.counts[0], np.float32)
    report = partial(_report, progress, len(chosen) + rounds)
    with work_folder() as folder:
        made = {}
        for i, name in enumerate(chosen):
            report(i, f"making {name}")
            made[name] = make_program(built, network, name, folder)
        runs = _rounds(made, x, _references(built, network, x), rounds, report)
        many = run_program(made[chosen[0]], x, STREAMS)
        report(len(chosen) + rounds, "done")
        parts = elf_parts(built.library or Path(made[chosen[0]].command[0]))
    measured = [_row(made[name], runs[name]) for name in chosen]
    first = runs[chosen[0]][0]
    state = {
        "bytes": first.state_bytes,
        "bytes_without_padding": built.manifest.state_bytes,
        "resident_bytes_per_stream": (many.rss_bytes - first.rss_bytes) / (STREAMS - 1),
        "streams": STREAMS,
    }
    workload = {"steps": len(x), "rounds": rounds, "sample": 0, "word": 0}
    return Footprint(tuple(_with_ratios(measured)), state, parts, workload)


def _report(progress: StageProgress, total: int, done: int, note: str) -> None:
    progress(done, total, note)


def _references(artifact: Artifact, network: Network, x: F32) -> dict[bool, F32]:
    """Reference outputs (T, outputs) by whether a program is ours."""
    return {
        True: ReferenceRunner(artifact.integer or network).trace(x[:, None]).y[:, 0],
        False: ReferenceRunner(network).trace(x[:, None]).y[:, 0],
    }


def _rounds(
    made: dict[str, Program],
    x: F32,
    references: dict[bool, F32],
    rounds: int,
    report: Callable[[int, str], None],
) -> dict[str, list[ProcessRun]]:
    """The runs of each program, interleaved. Raises ParityError for other outputs."""
    runs: dict[str, list[ProcessRun]] = {name: [] for name in made}
    for k in range(rounds):
        report(len(made) + k, f"round {k + 1} of {rounds}")
        for name, program in made.items():
            for _ in range(0 if program.skipped else STARTS if name in OURS else 1):
                run = run_program(program, x)
                _check_outputs(name, run.y, references[name in OURS])
                runs[name].append(run)
    return runs


def _chosen(artifact: Artifact, rows: Sequence[str], rounds: int) -> list[str]:
    m = artifact.manifest
    check_names(rows)
    if rounds < 1:
        raise UsageError(f"rounds is {rounds}; at least 1 is required")
    if not m.runs_here:
        where = "a GPU" if m.is_gpu else m.machine
        raise UnsupportedError(
            f"{artifact.path} is built for {where}, and only programs for this machine can be measured; "
            "'delrec-compile compare' shows the size of a chip's program"
        )
    return [n for n in NAMES if n in rows or n == NAMES[0]]


def _check_outputs(name: str, y: F32, want: F32) -> None:
    worst = float(np.abs(y - want[: len(y)]).max())
    if not worst <= LOOSE:
        raise ParityError(f"footprint: {name} computes different outputs (off by {worst:.3g})")


def _row(program: Program, runs: Sequence[ProcessRun]) -> FootprintRow:
    if program.skipped is not None:
        return FootprintRow(program.name, skipped=program.skipped)
    starts = [run.start_ms for run in runs]
    return FootprintRow(
        program.name,
        int(statistics.median(run.rss_bytes for run in runs)),
        statistics.median(starts),
        statistics.median(run.start_cpu_ms for run in runs),
        spread(starts),
        program.disk_bytes,
    )


def _with_ratios(rows: Sequence[FootprintRow]) -> list[FootprintRow]:
    """Over the first row, which is never skipped."""
    ours = rows[0]
    return [
        replace(
            r,
            ratio_rss=_over(r.rss_bytes, ours.rss_bytes),
            ratio_cold_start=_over(r.cold_start_ms, ours.cold_start_ms),
            ratio_disk=_over(r.disk_bytes, ours.disk_bytes),
        )
        for r in rows
    ]


def _over(value: float | None, ours: float | None) -> float | None:
    return None if value is None or ours is None else value / ours
