"""Where a point of `tune` is built, proven and measured. Runs in a child process that stays warm.

A point is built as a whole artifact. Before its cost counts, its self-test must pass, and outputs
and spikes must be those of the shipped schedule, bit for bit, on every word. Native code is then
timed in turns with the shipped schedule; what counts is the ratio. Code for another machine runs in
an emulator, and its cost is instructions, which are exact.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile import checkpoint, integer_file, targets, tuned
from delrec_compile.assemble import assemble
from delrec_compile.build import Artifact
from delrec_compile.errors import ParityError
from delrec_compile.run import ReferenceRunner, artifact_runner, fitting, read_words
from delrec_compile.session import Session, Trace

WORDS = {"native": 9, "emulated": 1}
ROUND_S = 0.001
F32 = NDArray[np.float32]


class Lab:
    """root: a folder with network.safetensors, and the integer network where one is tuned.

    words: where inputs come from. `self.how` is `native` or `emulated`.
    """

    def __init__(self, root: str, target: str, cpu: str | None, words: str) -> None:
        os.environ["OMP_NUM_THREADS"] = "1"
        self.root, self.target, self.cpu = Path(root), target, cpu
        self.profile = targets.load(target)
        self.how = "native" if self.profile.runs_here else "emulated"
        network = checkpoint.load(self.root / "network.safetensors")
        events = fitting(read_words(words), network.inputs)
        counts = events.counts[: WORDS[self.how]]
        self.x = [np.ascontiguousarray(c, np.float32) for c in counts]
        whole = self.root / integer_file.NAME
        self.network: Any = integer_file.load(whole) if whole.exists() else network
        self.shipped = _Candidate(self._build(None), self.how, self.x)
        self._known_good()
        self.unit = "us" if self.how == "native" else "instructions"

    def facts(self) -> dict[str, Any]:
        """What the driver must know: the key, the shipped schedule and its cost, the CPU's features."""
        m = self.shipped.artifact.manifest
        features: list[str] = []
        if self.profile.generator == "llvm":
            import tvm
            from tvm.target import codegen

            features = [str(f) for f in codegen.llvm_get_cpu_features(tvm.target.Target(m["llvm"]))]
        return {
            "key": vars(tuned.key_of(self.profile, m["llvm"], self.network)),
            "shipped": m["schedule"],
            "cost": self.shipped.cost(self.x),
            "unit": self.unit,
            "how": self.how if self.how == "native" else self.shipped.runner.how,
            "features": features,
            "generator": self.profile.generator,
        }

    def measure(self, schedule: dict[str, Any]) -> dict[str, float]:
        """cost, and its ratio to the shipped schedule's. Raises ParityError, BudgetError, .."""
        return self.compare([schedule], rounds=len(self.x))[0]

    def compare(self, schedules: list[dict[str, Any]], rounds: int) -> list[dict[str, float]]:
        """Points and the shipped schedule side by side, in turns.

        wins: the share of rounds in which a point was faster.
        """
        made = [self._candidate(schedule) for schedule in schedules]
        if self.how == "emulated":
            base = self.shipped.cost(self.x)
            costs = [c.cost(self.x) for c in made]
            return [{"cost": c, "ratio": c / base, "wins": float(c < base)} for c in costs]
        turns = [[c.time(x) for c in (self.shipped, *made)] for x in _cycled(self.x, rounds)]
        out = []
        for i, _ in enumerate(made, 1):
            ratios = [turn[i] / turn[0] for turn in turns]
            cost = statistics.median(turn[i] for turn in turns)
            wins = statistics.fmean(r < 1 for r in ratios)
            out.append({"cost": cost, "ratio": statistics.median(ratios), "wins": wins})
        return out

    def _build(self, schedule: Mapping[str, Any] | None) -> Artifact:
        stage = Path(tempfile.mkdtemp(dir=self.root, prefix="point-"))
        for file in self.root.glob("*.safetensors"):
            shutil.copy(file, stage / file.name)
        facts = assemble(str(stage), self.target, "tuned", 1, self.cpu, None, schedule=schedule)
        sizes = {"inputs": self.network.inputs, "outputs": self.network.outputs}
        fixed = {"name": "tuned", "steps_per_call": 1, "dt_ms": self.network.dt_ms}
        return Artifact(stage, {**fixed, **sizes, **facts})

    def _candidate(self, schedule: dict[str, Any]) -> _Candidate:
        artifact = self._build(schedule)
        try:
            made = _Candidate(artifact, self.how, self.x)
            for mine, good in zip(made.traces, self.shipped.traces, strict=True):
                if not _same(mine, good):
                    raise ParityError("other outputs or spikes than the shipped schedule")
            return made
        finally:
            shutil.rmtree(artifact.path, ignore_errors=True)

    def _known_good(self) -> None:
        """The shipped schedule itself against the reference, where all forms have the same bits."""
        from delrec_compile.glue import same_bits

        if same_bits(self.network):
            good = ReferenceRunner(self.network).trace(self.x[0][:, None])
            if not _same(self.shipped.traces[0], good):
                raise ParityError(
                    f"the shipped schedule of {self.target} differs from the reference"
                )


class _Candidate:
    """A built point, its self-test passed, with what it computed of every word."""

    def __init__(self, artifact: Artifact, how: str, words: Sequence[F32]) -> None:
        self.artifact = artifact
        runner: Any = artifact_runner(artifact)
        self.runner = runner
        if not self.runner.self_test():
            raise ParityError("the self-test fails")
        self.traces = [self.runner.trace(x[:, None]) for x in words]
        self.timed: Callable[[F32], float] | None = None
        if how == "native":
            self.timed = _timed(self.runner)

    def time(self, x: F32) -> float:
        assert self.timed is not None
        return self.timed(x)

    def cost(self, words: Sequence[F32]) -> float:
        if self.timed is not None:
            return statistics.median(self.timed(x) for x in words)
        return statistics.fmean(self.runner.instructions)


def _timed(session: Session) -> Callable[[F32], float]:
    """Microseconds per step of a word, of this thread's own time."""

    def run(x: F32) -> float:
        own = np.ascontiguousarray(x, session.x.dtype)
        y = np.empty((len(x), session.y.shape[1]), np.float32)
        session.reset()
        session.run_in_place(own, y)
        repeats, start = 0, time.thread_time_ns()
        while time.thread_time_ns() - start < ROUND_S * 1e9:
            session.run_in_place(own, y)
            repeats += 1
        return (time.thread_time_ns() - start) / repeats / len(x) / 1e3

    return run


def _cycled(words: Sequence[F32], rounds: int) -> list[F32]:
    return [words[i % len(words)] for i in range(rounds)]


def _same(a: Trace, b: Trace) -> bool:
    """-0 is 0; everything else is compared as it is."""
    return np.array_equal(a.y, b.y) and all(
        np.array_equal(mine, good) for mine, good in zip(a.spikes, b.spikes, strict=True)
    )
