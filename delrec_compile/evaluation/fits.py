"""The boards that a network fits: flash and RAM as linked, and an estimate of the time of a step."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile import targets
from delrec_compile.aliases import Numeric, StageProgress
from delrec_compile.artifact.abi import artifact_name
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import BudgetError, DelrecError, ToolchainError, UsageError
from delrec_compile.evaluation.compare.budgets import size
from delrec_compile.evaluation.compare.result import CYCLES_PER_INSTRUCTION
from delrec_compile.network import checkpoint
from delrec_compile.network.inputs import AUTO, Source, read_inputs, stored
from delrec_compile.network.integer import checkpoint as integer_checkpoint
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.model import Network
from delrec_compile.system import child
from delrec_compile.system.folders import work_folder
from delrec_compile.targets import Target

STEPS = 100  # of one sample, over which instructions are counted
# a chip in which every network fits: sizes are those of its program. Its own: address, KB
ROOM = {"flash": [0x08000000, 1 << 16], "ram": [0x20000000, 1 << 16]}


@dataclass(frozen=True)
class Fit:
    """A network on a board; None where a figure is not known, or where there is no limit.

    fits: whether its flash and RAM are enough; None: not known. why: what is not enough, time
    included, or why it is not known. flash_bytes, ram_bytes: of the program with the state of one
    stream, the RAM without stack. flash_limit, ram_limit: of the board; the RAM less the stack that
    its profile reserves. instructions_per_step, worst_instructions: mean and most, as the emulator
    counts them. estimated_us, estimated_share_of_dt: of the mean step at clock_mhz, with
    CYCLES_PER_INSTRUCTION. how: where the figures come from.
    """

    target: str
    summary: str
    fits: bool | None = None
    why: str = ""
    flash_bytes: int | None = None
    flash_limit: int | None = None
    ram_bytes: int | None = None
    ram_limit: int | None = None
    stack_bytes: int | None = None
    instructions_per_step: float | None = None
    worst_instructions: int | None = None
    clock_mhz: float | None = None
    estimated_us: float | None = None
    estimated_share_of_dt: float | None = None
    how: str = ""


@dataclass(frozen=True)
class Fits:
    """The rows of `fits`, in the order of the request. steps: that instructions were counted over."""

    network: str
    numeric: str
    dt_ms: float
    steps: int
    rows: tuple[Fit, ...]

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "cycles_per_instruction": CYCLES_PER_INSTRUCTION}

    def error(self) -> DelrecError | None:
        """BudgetError where the network fits none of the boards; ToolchainError where none is known."""
        if any(row.fits for row in self.rows):
            return None
        known = [row for row in self.rows if row.fits is not None]
        if not known:
            return ToolchainError(f"{self.rows[0].target}: {self.rows[0].why}")
        names = ", ".join(row.target for row in known)
        return BudgetError(f"'{self.network}' in {self.numeric} fits none of {names}")


def fits(
    network: Network,
    boards: Sequence[str] = ("all",),
    *,
    numeric: str = Numeric.FLOAT32,
    samples: Source = AUTO,
    progress: StageProgress = lambda _done, _total, _note: None,
) -> Fits:
    """Compiles the network for each core once, and compares its sizes with every board's memory.

    boards: names of boards, targets, or profiles (.toml); `all`: every board. samples: see
    `read_inputs`; the first STEPS steps of the first sample are run in the emulator of the core. An
    error of one core becomes a row. Raises UsageError, UnsupportedError and DataError for the request.
    """
    profiles = _profiles(boards)
    mode = {profile.numeric_mode(numeric) for profile in profiles.values()}.pop()
    found = read_inputs(network, samples).samples
    found = replace(found.take(range(1)), counts=found.counts[:1, :STEPS])
    codes = {spec: _code(spec, profile) for spec, profile in profiles.items()}
    once = {code.key: code for code in reversed(codes.values())}
    measured: dict[str, dict[str, Any]] = {}
    with stored(network, found) as name, work_folder() as folder:
        stage = _stage(network, mode, folder)
        for i, (key, code) in enumerate(once.items()):
            progress(i, len(once), f"compiling for {code.spec}, and counting instructions")
            measured[key] = _measured(code, network.name, mode, name, stage)
    rows = [_row(p, measured[codes[spec].key], network.dt_ms) for spec, p in profiles.items()]
    return Fits(network.name, mode, network.dt_ms, found.steps, tuple(rows))


@dataclass(frozen=True)
class _Code:
    """What is compiled for a board: a profile by its name or file. key: equal for equal code.

    stands_in: whether it is a profile in place of the board's, whose schedule it has.
    """

    spec: str
    profile: Target
    key: str
    stands_in: bool = False


def _profiles(boards: Sequence[str]) -> dict[str, Target]:
    """The profiles by name or file. Raises UsageError for one without a clock."""
    names = [name.strip() for name in boards if name.strip()]
    if not names:
        raise UsageError(f"no board is specified; allowed: all, {', '.join(targets.board_names())}")
    every = [b for name in names for b in (targets.board_names() if name == "all" else (name,))]
    profiles = {name: targets.load(name) for name in every}
    for profile in profiles.values():
        if profile.clock_mhz is None:
            raise UsageError(
                f"target '{profile.name}' is no board: its profile has no clock_mhz; allowed: all, "
                f"{', '.join(targets.board_names())}, a chip's profile, or yours"
            )
    return profiles


def _code(spec: str, profile: Target) -> _Code:
    stands_in = bool(profile.like)
    if stands_in:
        like = targets.load(profile.like)
        spec, profile = profile.like, replace(like, schedules=profile.schedules)
    own: dict[str, Any] = {"name": "", "summary": "", "flash": None, "clock_mhz": None, "board": ""}
    if profile.memory:
        own["memory"] = replace(profile.memory, chip="", flash=(0, 1), ram=(0, 1))
    return _Code(spec, profile, repr(replace(profile, **own)), stands_in)


def _stage(network: Network, mode: Numeric, folder: Path) -> Path:
    checkpoint.save(network, folder / "network.safetensors")
    if mode.is_integer:
        integer_checkpoint.save(quantise(network, mode), folder / integer_checkpoint.NAME)
    return folder


def _measured(code: _Code, name: str, mode: Numeric, samples: str, stage: Path) -> dict[str, Any]:
    """The result of `measure`, or what prevents it as `why`."""
    memory = code.profile.memory
    room = {"chip": memory.chip, "stack": memory.stack, **ROOM} if memory else None
    with work_folder() as folder:
        work = shutil.copytree(stage, folder / "stage")
        try:
            result: dict[str, Any] = child.call(
                "delrec_compile.evaluation.fits:measure",
                stage=str(work),
                target=code.spec,
                name=artifact_name(name),
                numeric=mode,
                samples=samples,
                memory=room,
                schedule=vars(code.profile.schedules[0].schedule) if code.stands_in else None,
            )
        except DelrecError as error:
            return {"why": str(error)}
    return result


def measure(
    stage: str,
    target: str,
    name: str,
    numeric: str,
    samples: str,
    memory: dict[str, Any] | None,
    schedule: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """In the child: sizes of the program of a network, and the instructions of its steps.

    memory, schedule: in place of the profile's.
    """
    from delrec_compile.compiler.assemble import assemble
    from delrec_compile.compiler.manifest import manifest_of
    from delrec_compile.data.samples import read_samples
    from delrec_compile.runners.emulated.core import EmulatedRunner
    from delrec_compile.runners.open import emulated_runner

    root, mode = Path(stage), Numeric(numeric)
    built = assemble(stage, target, name, 1, None, None, schedule=schedule, memory=memory)
    network = checkpoint.load(root / "network.safetensors")
    manifest = manifest_of(network, built, name=name, target=target, numeric=mode)
    sizes = {"fits": True, **{key: built.get(key) for key in ("flash_bytes", "ram_bytes")}}
    if not manifest.core:
        return {**sizes, "how": "not counted: the processor is that of this machine"}
    manifest = replace(manifest, board="")  # whose memory is not this one
    x = np.ascontiguousarray(read_samples(samples).counts.swapaxes(0, 1), np.float32)
    try:
        runner = emulated_runner(Artifact(root, manifest))
        (runner.outputs_of if isinstance(runner, EmulatedRunner) else runner.trace)(x)
    except (BudgetError, ToolchainError) as error:
        return {**sizes, "how": f"not counted: {error}"}
    return {
        **sizes,
        "instructions_per_step": sum(runner.instructions) / len(runner.instructions),
        "worst_instructions": max(runner.instructions),
        "stack_bytes": runner.stack_bytes,
        "how": f"counted, {runner.how}",
    }


def _row(profile: Target, measured: dict[str, Any], dt_ms: float) -> Fit:
    """The figures of the code for a board, judged by its memory and clock."""
    row = Fit(profile.name, profile.summary, clock_mhz=profile.clock_mhz, **measured)
    if profile.like:
        row = replace(row, how=f"modelled on {profile.like}: {row.how}")
    if profile.memory:
        chip = profile.memory.map
        stack = -(-chip.stack // 8) * 8
        row = replace(row, flash_limit=chip.flash.size, ram_limit=chip.ram.size - stack)
    if row.fits:
        over = [
            f"{what} is {size(used - limit)} over its {size(limit)}"
            for what, used, limit in (
                ("flash", row.flash_bytes, row.flash_limit),
                ("RAM", row.ram_bytes, row.ram_limit),
            )
            if used is not None and limit is not None and used > limit
        ]
        row = replace(row, fits=not over, why=", ".join(over))
    if row.instructions_per_step is None or not profile.clock_mhz:
        return row
    us = row.instructions_per_step * CYCLES_PER_INSTRUCTION / profile.clock_mhz
    share = us / dt_ms / 1000
    late = [f"a step takes about {share:.0%} of its {dt_ms:g} ms"] if share > 1 else []
    why = ", ".join([*filter(None, [row.why]), *late])
    return replace(row, estimated_us=us, estimated_share_of_dt=share, why=why)
