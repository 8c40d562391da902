"""The proof of an artifact: parity, accuracy and latency, measured here and stored beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delrec_compile.aliases import Progress
from delrec_compile.artifact.manifest import Artifact, load_artifact
from delrec_compile.data.samples import first, read_samples
from delrec_compile.errors import CompilerCrash, ParityError
from delrec_compile.evaluation.hearing import require_equal
from delrec_compile.evaluation.latency.bench import QUICK, bench
from delrec_compile.evaluation.latency.result import Bench
from delrec_compile.evaluation.parity import check as check_parity
from delrec_compile.evaluation.parity import check_with_step, compare_artifact
from delrec_compile.evaluation.verdict import accept_silence
from delrec_compile.network import checkpoint
from delrec_compile.network.inputs import AUTO, Source, stored
from delrec_compile.runners.emulated import cuda
from delrec_compile.runners.open import emulated_runner
from delrec_compile.runners.session import Session
from delrec_compile.system import child
from delrec_compile.system.files import write_atomic
from delrec_compile.system.host import machine
from delrec_compile.system.renamed import renamed_arguments

SCHEMA = "delrec.measured/1"
EMULATED_SAMPLES = 5
ROUNDS, FEW_ROUNDS = 9, 5  # that each engine is timed; few of a network that is LARGE
LARGE = 1 << 20  # parameters
GPU_SAMPLES = 64


@dataclass(frozen=True)
class Proof:
    """The measurements of an artifact.

    check: parity of its code, as `Parity.as_dict()`; None where it could not be run. onnxruntime:
    parity of its ONNX file. bench: times, None where it was not timed. emulated: instructions per
    step (mean, worst), stack_bytes, how, and an estimate of the time at the profile's clock with one
    cycle per instruction; None where the code ran natively. listening: see
    `evaluation.hearing.heard`; None without a front end.
    """

    check: dict[str, Any] | None
    onnxruntime: dict[str, Any]
    bench: Bench | None
    machine: dict[str, str]
    emulated: dict[str, Any] | None = None
    listening: dict[str, Any] | None = None

    @property
    def how(self) -> str:
        """native, emulated or device: where the artifact ran."""
        if self.emulated is None:
            return "native"
        return "device" if self.emulated["how"].startswith("device") else "emulated"

    @property
    def checks(self) -> list[dict[str, Any]]:
        return [c for c in (self.check, self.onnxruntime) if c is not None]

    def as_dict(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "check": self.check,
            "onnxruntime": self.onnxruntime,
            "bench": self.bench.as_dict() if self.bench else None,
            "emulated": self.emulated,
            "machine": self.machine,
            **({"listening": self.listening} if self.listening else {}),
        }


@renamed_arguments(words="samples")
def prove(
    artifact: Artifact,
    samples: Source = AUTO,
    *,
    limit: int | None = None,
    timed: bool = True,
    allow_silent: bool = False,
    emulate: bool = True,
    progress: Progress = lambda _: None,
) -> Proof:
    """Checks the artifact and its ONNX file against PyTorch, times them, writes measured.json.

    Native code runs in a child process, code for another CPU in an emulator, if there is one and
    `emulate` is set. samples: see `read_inputs`; limit: the first of them are checked, by default all,
    and in an emulator what lasts a minute or so of the first EMULATED_SAMPLES, see `excerpt`.
    allow_silent: a check in which no neuron fires passes. Raises ParityError, after writing.
    """
    network = checkpoint.load(artifact.path / "network.safetensors")
    with stored(network, samples) as spec:
        rounds = (FEW_ROUNDS if network.parameters() >= LARGE else ROUNDS) if timed else 0
        proof = _measured(artifact, spec, limit, rounds, emulate, allow_silent, progress)
    text = json.dumps(proof.as_dict(), indent=2) + "\n"
    write_atomic(artifact.path / "measured.json", text.encode())
    for parity in proof.checks:
        if not parity["passed"]:
            raise ParityError(describe_difference(parity))
    if proof.listening:
        require_equal(proof.listening)
    return proof


def _measured(
    artifact: Artifact,
    samples: str,
    limit: int | None,
    rounds: int,
    emulate: bool,
    allow_silent: bool,
    progress: Progress,
) -> Proof:
    """The proof, before it is written and judged. rounds: of the times; 0: not timed."""
    progress("checking spikes against PyTorch")
    gpu = artifact.manifest.is_gpu
    native = not gpu and runs_here(artifact)
    check, onnx = _checks(artifact, native, samples, limit)
    cost = None
    if not native and emulate:
        cost = _emulated(artifact, samples, limit, progress)
        check = cost.pop("check") if cost else None
    if allow_silent:
        check, onnx = accept_silence(check) if check else None, accept_silence(onnx)
    result = None
    if rounds and (native or (gpu and cost and cost["how"] != cuda.HOW)):
        progress("timing beside PyTorch and ONNX Runtime")
        result = bench(artifact.path, samples, rows=QUICK, rounds=rounds)
    listening = None
    if artifact.manifest.front_end and (native or cost):
        progress("listening to words")
        listening = child.call("delrec_compile.evaluation.hearing:heard", path=str(artifact.path))
    return Proof(check, onnx, result, machine(), cost, listening)


def _checks(
    artifact: Artifact, native: bool, samples: str, limit: int | None
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Parity of the native artifact, None of another one, and of its ONNX file."""
    given: dict[str, Any] = {"samples": samples, "limit": limit}
    if native:
        path = str(artifact.path)
        ours, onnx = child.call("delrec_compile.evaluation.proof:both", path=path, **given)
        return ours, onnx
    given["network"] = str(artifact.path / "network.safetensors")
    paths = [str(artifact.path / "model.onnx")]
    (onnx,) = child.call("delrec_compile.evaluation.proof:checked", paths=paths, **given)
    return None, onnx


def _emulated(
    artifact: Artifact, samples: str, limit: int | None, progress: Progress
) -> dict[str, Any] | None:
    """The result of `on_gpu` or `emulated`; None of code for another CPU without an emulator."""
    path, core = str(artifact.path), artifact.manifest.core
    result: dict[str, Any] | None = None
    if artifact.manifest.is_gpu:
        result = child.call(
            "delrec_compile.evaluation.proof:on_gpu",
            path=path,
            samples=samples,
            limit=limit or GPU_SAMPLES,
            timeout_s=cuda.TIMEOUT_S,
        )
    elif core:
        patience = "" if limit else f": {EMULATED_SAMPLES} samples, or a minute or so"
        progress(f"running {core} code in an emulator{patience}")
        result = child.call(
            "delrec_compile.evaluation.proof:emulated",
            path=path,
            samples=samples,
            limit=limit,
        )
    return result


def runs_here(artifact: Artifact) -> bool:
    """Runs the library's self-test in a child process.

    False when it is for another machine, or this CPU lacks an instruction. Raises ParityError when
    the golden vectors come out wrong.
    """
    if not artifact.manifest.runs_here:
        return False
    try:
        passed = child.call("delrec_compile.evaluation.proof:self_tested", path=str(artifact.path))
    except CompilerCrash as error:
        if "SIGILL" in str(error):
            return False
        raise
    if not passed:
        raise ParityError(f"the self-test of {artifact.library} fails; build it again")
    return True


def self_tested(path: str) -> bool:
    """In the child: whether the golden vectors come out as recorded."""
    return Session(path).self_test()


def on_gpu(path: str, samples: str, limit: int) -> dict[str, Any]:
    """In the child: parity of a GPU's artifact, on the GPU, or emulated where there is none."""
    from delrec_compile.runners.gpu import GpuSession

    session = GpuSession(path)
    if not session.self_test():
        raise ParityError(f"the self-test of {path} fails, {session.how}; build it again")
    network = checkpoint.load(session.artifact.path / "network.safetensors")
    parity = compare_artifact(
        session.artifact, network, session, first(read_samples(samples), limit)
    )
    return {"check": parity.as_dict(), "how": session.how, "instructions_per_step": None}


def emulated(path: str, samples: str, limit: int | None) -> dict[str, Any]:
    """In the child: parity of an artifact for another machine, and what its steps cost there."""
    artifact = load_artifact(path)
    runner = emulated_runner(artifact)
    if not runner.self_test():
        raise ParityError(f"the self-test of {path} fails in the emulator; build it again")
    network = checkpoint.load(artifact.path / "network.safetensors")
    chosen = first(read_samples(samples), limit or EMULATED_SAMPLES)
    parity = compare_artifact(artifact, network, runner, chosen, whole=limit is not None)
    mean = sum(runner.instructions) / len(runner.instructions)
    clock, dt_us = artifact.manifest.clock_mhz, artifact.manifest.dt_ms * 1000
    return {
        "check": parity.as_dict(),
        "how": runner.how,
        "instructions_per_step": mean,
        "worst_instructions": max(runner.instructions),
        "counted_every": runner.every,
        "stack_bytes": runner.stack_bytes,
        "clock_mhz": clock,
        # no emulator here models cycles: one per instruction is the best case of these cores
        "estimated_us": mean / clock if clock else None,
        "estimated_share_of_dt": mean / clock / dt_us if clock else None,
    }


def both(path: str, samples: str, limit: int | None) -> list[dict[str, Any]]:
    """In the child: parity of an artifact of this machine and of its ONNX file."""
    network = checkpoint.load(Path(path) / "network.safetensors")
    found = check_with_step(path, network, read_samples(samples), limit)
    return [parity.as_dict() for parity in found]


def checked(
    paths: list[str], network: str | None, samples: str, limit: int | None
) -> list[dict[str, Any]]:
    """In the child: parity of artifacts or ONNX files."""
    source = checkpoint.load(network) if network else None
    events = first(read_samples(samples), limit)
    found = [check_parity(path, events, network=source, limit=limit) for path in paths]
    return [parity.as_dict() for parity in found]


def describe_difference(parity: dict[str, Any]) -> str:
    """A line on a failed check: how much differs, and where first; or that it proves nothing."""
    first, spikes = parity["spikes"]["first"], parity["spikes"]
    if parity.get("agrees"):
        return (
            f"{parity['target']}: no neuron fired in {parity['sequences']} samples of "
            f"{parity['steps']} steps, so the check proves nothing; run samples that make it fire "
            "(--input), or accept it with --allow-silent"
        )
    reference = "PyTorch" if parity["reference"] == "torch" else "the integer reference"
    if first is None:
        worst = parity["membrane"]["max_abs_error"]
        return f"{parity['target']} differs from {reference}: membranes by {worst:.3g}, no spike"
    margin = "" if first["margin"] is None else f" (margin {first['margin']:.3g})"
    named = first.get("population")
    where = f"population '{named}'" if named else f"layer {first['layer']}"
    return (
        f"{parity['target']} differs from {reference} in {spikes['differing']} of "
        f"{spikes['compared']} spikes, first at sequence {first['sequence']}, step {first['step']}, "
        f"{where}, neuron {first['neuron']}{margin}"
    )
