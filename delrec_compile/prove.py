"""What an artifact is worth: parity, accuracy and latency, measured here and kept beside it."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delrec_compile import checkpoint, child
from delrec_compile.bench import QUICK, Bench, bench
from delrec_compile.build import Artifact, Progress
from delrec_compile.errors import ParityError
from delrec_compile.parity import check
from delrec_compile.run import first, read_words

SCHEMA = "delrec.measured/1"


@dataclass(frozen=True)
class Proof:
    """checks: as `Parity.as_dict()`, one per engine, the artifact first. bench: None if not timed."""

    checks: tuple[dict[str, Any], ...]
    bench: Bench | None
    machine: dict[str, str]

    @property
    def passed(self) -> bool:
        return all(c["passed"] for c in self.checks)

    def as_dict(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "checks": list(self.checks),
            "bench": self.bench.as_dict() if self.bench else None,
            "machine": self.machine,
        }


def prove(
    artifact: Artifact,
    words: str = "words",
    *,
    limit: int | None = None,
    timed: bool = True,
    progress: Progress = lambda _: None,
) -> Proof:
    """Checks the artifact and its ONNX file against PyTorch, times them, writes measured.json.

    Native code runs in a child process. limit: words to check. Raises ParityError after writing.
    """
    progress("checking spikes against PyTorch")
    checks = [
        child.call(
            "delrec_compile.prove:checked",
            path=str(path),
            network=str(artifact.path / "network.safetensors"),
            words=words,
            limit=limit,
        )
        for path in (artifact.path, artifact.path / "model.onnx")
    ]
    result = None
    if timed:
        progress("timing beside PyTorch and ONNX Runtime")
        result = bench(artifact.path, words, rows=QUICK, rounds=9)
    proof = Proof(tuple(checks), result, machine())
    text = json.dumps(proof.as_dict(), indent=2) + "\n"
    checkpoint.write_whole(artifact.path / "measured.json", text.encode())
    if not proof.passed:
        bad = next(c for c in checks if not c["passed"])
        raise ParityError(f"{describe_difference(bad)}; the artifact stays in {artifact.path}")
    return proof


def checked(path: str, network: str | None, words: str, limit: int | None) -> dict[str, Any]:
    """In the child: parity of one artifact or ONNX file."""
    source = checkpoint.load(network) if network else None
    return check(path, first(read_words(words), limit), network=source).as_dict()


def describe_difference(parity: dict[str, Any]) -> str:
    """One line on a failed check."""
    first, spikes = parity["spikes"]["first"], parity["spikes"]
    if first is None:
        worst = parity["membrane"]["max_abs_error"]
        return f"{parity['target']} differs from PyTorch: membranes by {worst:.3g}, no spike"
    return (
        f"{parity['target']} differs from PyTorch in {spikes['differing']} of {spikes['compared']} "
        f"spikes, first at sequence {first['sequence']}, step {first['step']}, layer "
        f"{first['layer']}, neuron {first['neuron']} (margin {first['margin']:.3g})"
    )


def machine() -> dict[str, str]:
    """The machine that figures were measured on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text().splitlines()
        cpu = next((s.split(":")[1].strip() for s in lines if s.startswith("model name")), cpu)
    return {"cpu": cpu, "system": platform.system(), "python": platform.python_version()}
