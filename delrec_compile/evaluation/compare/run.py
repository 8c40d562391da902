"""One network on many targets: built where missing, checked, timed beside PyTorch, held to budgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from delrec_compile import targets
from delrec_compile.aliases import Numeric, Progress, StageProgress
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.artifact.package import measured
from delrec_compile.errors import (
    DelrecError,
    ParityError,
    ToolchainError,
    UnsupportedError,
    UsageError,
    did_you_mean,
)
from delrec_compile.evaluation.compare.budgets import Budgets, Miss
from delrec_compile.evaluation.compare.cache import OUT, cached_build
from delrec_compile.evaluation.compare.result import CYCLES_PER_INSTRUCTION, Comparison, TargetRow
from delrec_compile.evaluation.latency import side_by_side
from delrec_compile.evaluation.latency.bench import bench
from delrec_compile.evaluation.proof import Proof, prove
from delrec_compile.network import checkpoint
from delrec_compile.network.inputs import AUTO, Source, stored
from delrec_compile.network.model import Network
from delrec_compile.system import child
from delrec_compile.system.folders import work_folder
from delrec_compile.system.host import machine
from delrec_compile.system.renamed import renamed_arguments
from delrec_compile.targets import Target


def select_targets(names: Sequence[str]) -> dict[str, Target]:
    """Profiles by the names of `--targets`, each once. Raises UsageError, UnsupportedError."""
    requested = [n.strip() for n in names if n.strip()]
    if not requested:
        raise UsageError(f"no target is specified; allowed: all, {', '.join(targets.names())}")
    out: dict[str, Target] = {}
    for name in requested:
        for spec in targets.names() if name == "all" else (name,):
            profile = targets.load(spec)
            out.setdefault(spec if spec.endswith(".toml") else profile.name, profile)
    by_name: dict[str, str] = {}
    for spec, profile in out.items():
        if other := by_name.get(profile.name):
            raise UsageError(f"{other} and {spec} are both named '{profile.name}': rename the file")
        by_name[profile.name] = spec
    return out


def requested(
    names: Sequence[str], numeric: Sequence[str], budgets: Budgets
) -> tuple[dict[str, Target], list[str]]:
    """The profiles and modes of a comparison. Raises UsageError, UnsupportedError."""
    profiles = select_targets(names)
    modes = _modes(numeric)
    _answerable(budgets, list(profiles.values()))
    return profiles, modes


@renamed_arguments(words="samples")
def compare(
    network: Network,
    names: Sequence[str] = ("all",),
    *,
    numeric: Sequence[str] = (Numeric.FLOAT32,),
    out: Path | str = OUT,
    samples: Source = AUTO,
    limit: int | None = None,
    budgets: Budgets | None = None,
    rebuild: bool = False,
    allow_silent: bool = False,
    progress: StageProgress = lambda _done, _total, _note: None,
) -> Comparison:
    """Builds what is missing, checks every artifact against PyTorch, times it.

    names: targets, profiles (.toml), or `all`. out: folder where artifacts are stored and reused,
    `<network>-<target>-<numeric>`. limit: samples to check; by default all where the code runs here,
    and the first few in an emulator. allow_silent: a check in which no neuron
    fires passes. An error of one target becomes its row, see `Comparison.error`.
    Raises UsageError, UnsupportedError, DataError for the request itself, before the first build.
    """
    budgets = budgets or Budgets()
    profiles, modes = requested(names, numeric, budgets)
    jobs = [(spec, profile, mode) for spec, profile in profiles.items() for mode in modes]
    with stored(network, samples, limit) as chosen:
        plan = _Plan(network, Path(out), chosen, limit, rebuild, allow_silent)
        rows = []
        for i, (spec, profile, mode) in enumerate(jobs):
            say = partial(_say, progress, i, len(jobs) + 1, f"{profile.name} {mode}")
            rows.append(plan.row(spec, profile, mode, say))
        progress(len(jobs), len(jobs) + 1, "timing beside PyTorch and ONNX Runtime")
        rows, baselines, workload = plan.timed(rows)
    progress(len(jobs) + 1, len(jobs) + 1, "done")
    judged = _judge(budgets, rows, [profile for _, profile, _ in jobs])
    name, dt_ms = network.name, network.dt_ms
    return Comparison(name, dt_ms, tuple(rows), tuple(baselines), *judged, workload, machine())


def _judge(
    budgets: Budgets, rows: Sequence[TargetRow], profiles: Sequence[Target]
) -> tuple[tuple[Miss, ...], tuple[str, ...], tuple[str, ...]]:
    """The misses, unjudged and unanswered of a `Comparison`. profiles: one for each row."""
    figures = [asdict(row) for row in rows]
    misses = tuple(miss for f in figures for miss in budgets.misses(f))
    pairs = zip(rows, profiles, strict=True)
    unjudged = tuple(line for row, p in pairs for line in _unjudged(budgets, row, p))
    unanswered = tuple(
        limit.option
        for limit, _ in budgets.set_limits()
        if not any(limit.figure(f) for f in figures)
    )
    return misses, unjudged, unanswered


def _modes(numeric: Sequence[str]) -> list[str]:
    known = sorted({n for t in targets.names() for n in targets.load(t).numeric})
    modes = list(dict.fromkeys(n.strip() for n in numeric if n.strip()))
    for mode in modes:
        if mode not in known:
            raise UnsupportedError(
                f"unknown numeric mode '{mode}'{did_you_mean(mode, known)}; "
                f"allowed: {', '.join(known)}"
            )
    if not modes:
        raise UsageError(f"no numeric mode is specified; allowed: {', '.join(known)}")
    return modes


def _answerable(budgets: Budgets, profiles: Sequence[Target]) -> None:
    for limit, _ in budgets.set_limits():
        if not any(limit.can(p) for p in profiles):
            able = [n for n in targets.names() if limit.can(targets.load(n))]
            raise UsageError(
                f"{limit.option}: {', '.join(p.name for p in profiles)} cannot be judged by it; "
                f"targets that can: {', '.join(able)}"
            )


def _unjudged(budgets: Budgets, row: TargetRow, profile: Target) -> list[str]:
    why = row.skipped or row.failed or "no such figure"
    return [
        f"{limit.option} is not judged on {row.name}: {why}"
        for limit, _ in budgets.set_limits()
        if limit.can(profile) and limit.figure(asdict(row)) is None
    ]


def _say(progress: StageProgress, done: int, total: int, note: str, text: str) -> None:
    progress(done, total, f"{note}: {text}")


@dataclass(frozen=True)
class _Plan:
    network: Network
    out: Path
    samples: str
    limit: int | None
    rebuild: bool
    allow_silent: bool

    def row(self, spec: str, profile: Target, numeric: str, say: Progress) -> TargetRow:
        row = TargetRow(profile.name, numeric, clock_mhz=profile.clock_mhz)
        artifact = None
        try:
            artifact, reused = cached_build(
                self.network, spec, numeric, self.out, rebuild=self.rebuild, progress=say
            )
            row = _sized(row, artifact, reused)
            (artifact.path / "measured.json").unlink(missing_ok=True)
            how: dict[str, Any] = {"limit": self.limit, "allow_silent": self.allow_silent}
            proof = prove(artifact, self.samples, timed=False, progress=say, **how)
            return self._gpu(_proven(row, artifact, proof, self.network.dt_ms), say)
        except DelrecError as error:
            return _stopped(row, artifact, error)

    def _gpu(self, row: TargetRow, say: Progress) -> TargetRow:
        if row.how != "device" or row.artifact is None:
            return row
        say(f"timing on {row.engine}")
        us = bench(row.artifact, self.samples, rows=("ours",), rounds=3).rows[0].us_per_step
        return replace(row, us_per_step=us, share_of_dt=us / self.network.dt_ms / 1000)

    def timed(
        self, rows: list[TargetRow]
    ) -> tuple[list[TargetRow], list[dict[str, Any]], dict[str, Any] | None]:
        """The rows with native times, the baselines and the workload; no baselines without a row."""
        native = {str(i): r for i, r in enumerate(rows) if r.how == "native"}
        if all(r.skipped or r.failed for r in rows):
            return rows, [], None
        with work_folder() as folder:
            file = checkpoint.save(self.network, folder / "network.safetensors")
            try:
                result = child.call(
                    side_by_side.MODULE,
                    network=str(file),
                    artifacts={i: r.artifact for i, r in native.items() if not r.failed},
                    samples=self.samples,
                    limit=self.limit,
                )
            except DelrecError as error:
                bad = partial(replace, failed=f"not timed: {error}", exit_code=error.exit_code)
                return [bad(r) if r.how == "native" else r for r in rows], [], None
        times, dt_us = result["times"], self.network.dt_ms * 1000
        torch = times["torch_eager"]
        out = list(rows)
        for i, row in native.items():
            if us := times.get(i):
                out[int(i)] = replace(
                    row, us_per_step=us, share_of_dt=us / dt_us, ratio_to_pytorch=torch / us
                )
        baselines = [
            {
                "name": name,
                "us_per_step": times[name],
                "share_of_dt": times[name] / dt_us,
                "ratio_to_pytorch": torch / times[name],
            }
            for name in side_by_side.BASELINES
        ]
        return out, baselines, result["workload"]


def _sized(row: TargetRow, artifact: Artifact, reused: bool) -> TargetRow:
    m = artifact.manifest
    return replace(
        row,
        flash_bytes=m.flash_bytes,
        ram_bytes=m.ram_bytes,
        library_bytes=m.library_bytes,
        artifact=str(artifact.path),
        reused=reused,
    )


def _proven(row: TargetRow, artifact: Artifact, proof: Proof, dt_ms: float) -> TargetRow:
    row = replace(row, check=proof.check)
    if proof.check is None:
        cpu = artifact.manifest.cpu
        text = f"built for {cpu}, which this machine cannot run: not checked, not timed"
        return replace(row, skipped=text, exit_code=UnsupportedError.exit_code)
    cost = proof.emulated
    if cost is None:
        return replace(row, how="native", engine="native, one thread")
    mean, clock = cost.get("instructions_per_step"), row.clock_mhz
    worst = cost.get("worst_instructions")
    estimate = mean * CYCLES_PER_INSTRUCTION / clock if mean and clock else None
    return replace(
        row,
        how=proof.how,
        engine=cost["how"],
        instructions_per_step=mean,
        worst_instructions=worst,
        stack_bytes=cost.get("stack_bytes") or row.stack_bytes,
        estimated_us=estimate,
        estimated_worst_us=worst * CYCLES_PER_INSTRUCTION / clock if worst and clock else None,
        share_of_dt=estimate / dt_ms / 1000 if estimate else None,
    )


def _stopped(row: TargetRow, artifact: Artifact | None, error: DelrecError) -> TargetRow:
    text, code = " ".join(str(error).split()), error.exit_code
    if isinstance(error, ToolchainError | UnsupportedError):
        return replace(row, skipped=text, exit_code=code)
    check = row.check
    if isinstance(error, ParityError):
        recorded = measured(artifact).get("check") if artifact else None
        check = recorded or {"target": row.target, "reference": "torch", "passed": False}
    return replace(row, check=check, failed=text, exit_code=code)
