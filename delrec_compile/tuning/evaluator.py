"""Builds, checks and measures the candidates of `tune`. Runs in a child process that stays.

A candidate is built as an artifact. Before its cost counts, its self-test must pass, and outputs and
spikes must be those of the shipped schedule, bit for bit, on every sample. Native code is then timed
in turns with the shipped schedule, in a few steps per call and in whole samples; the ratio counts.
Code for another machine runs in an emulator, and its cost is instructions, which are exact.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile import targets
from delrec_compile.aliases import F32
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.compiler.assemble import assemble
from delrec_compile.compiler.manifest import manifest_of
from delrec_compile.compiler.schedules import choice
from delrec_compile.compiler.schedules.record import INSTRUCTIONS, MICROSECONDS, Costs
from delrec_compile.data.samples import fitting, read_samples
from delrec_compile.errors import CompilerCrash, DeviceError, ParityError
from delrec_compile.network import checkpoint
from delrec_compile.network.golden import same_bits
from delrec_compile.network.integer import checkpoint as integer_checkpoint
from delrec_compile.network.integer.model import AnyNetwork
from delrec_compile.runners.open import artifact_runner
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.runner import Trace
from delrec_compile.tuning.native import FEW, STEPS, in_steps, times
from delrec_compile.tuning.remote import BACK_S, Remote
from delrec_compile.tuning.space import has_kernels, has_synaptic_delays

SAMPLES = {"native": 9, "emulated": 1, "device": 9}
ONLY_SEQUENCES = ("chunk", "tile", "together")  # fields of a schedule


class Evaluator:
    """The shipped schedule, built and checked, and the candidates beside it.

    root: folder with network.safetensors, and the integer network where one is tuned. samples: source
    of the inputs. device: machine that runs the candidates; else this one, or an emulator. back_s: as
    in `Remote`.
    """

    def __init__(
        self,
        root: str,
        target: str,
        cpu: str | None,
        samples: str,
        device: str | None = None,
        back_s: float = BACK_S,
    ) -> None:
        os.environ["OMP_NUM_THREADS"] = "1"
        self.root, self.target, self.cpu = Path(root), target, cpu
        self.profile = targets.load(target)
        self.remote = Remote(device, back_s) if device else None
        here = "native" if self.profile.runs_here else "emulated"
        self.how = "device" if device else here
        self.floats = network = checkpoint.load(self.root / "network.safetensors")
        events = fitting(read_samples(samples), network.inputs)
        counts = events.counts[: SAMPLES[self.how], : events.steps // FEW * FEW or None]
        self.x = [np.ascontiguousarray(c, np.float32) for c in counts]
        quantised = self.root / integer_checkpoint.NAME
        self.network: AnyNetwork = network
        if quantised.exists():
            self.network = integer_checkpoint.load(quantised)
        self.shipped = self._open(self._build(None))
        self._check_shipped()

    def describe(self) -> dict[str, Any]:
        """The setup of a run, as JSON: key, space, exported winners, costs of the shipped schedule."""
        if self.remote is not None and not self.remote.usable:
            self._renew()
        m = self.shipped.artifact.manifest
        key = choice.key_of(self.profile, m.llvm, self.network)
        return {
            "key": vars(key),
            "space": {
                "generator": self.profile.generator,
                "features": _features(m.llvm) if self.profile.generator == "llvm" else [],
                "shipped": m.schedule,
                "conv": has_kernels(self.floats),
                "synaptic": has_synaptic_delays(self.floats),
                "sequences": self.how != "emulated",
            },
            "seeds": [vars(e.winner.schedule) for e in choice.exported() if e.fits(key)],
            "costs": self.shipped.costs(self.x),
            "unit": INSTRUCTIONS if self.how == "emulated" else MICROSECONDS,
            "how": self.how if self.how == "native" else self.shipped.runner.how,
            "place": self.place,
        }

    @property
    def place(self) -> str:
        """The address of the machine that the last candidate ran on; empty where it is this one."""
        return self.remote.place if self.remote else ""

    def measure(self, schedule: dict[str, Any]) -> dict[str, Any]:
        """Same as `compare`, for one candidate. Raises ParityError, BudgetError, CompilerCrash, ..

        Raises DeviceError only where the device does not even run the shipped schedule: a candidate
        is to blame for a second failure, its session may be for the first.
        """
        for _ in range(2):
            try:
                return {**self.compare([schedule], rounds=len(self.x))[0], "place": self.place}
            except DeviceError as error:
                failure = CompilerCrash(f"it failed where it ran: {error}")
                if self.remote is None:
                    break
                self._renew()
        raise failure

    def compare(self, schedules: list[dict[str, Any]], rounds: int) -> list[dict[str, Any]]:
        """Candidates and the shipped schedule side by side, in turns: a Measurement of each, as JSON."""
        own = self.shipped.artifact.manifest.schedule
        with self._candidates(schedules) as candidates:
            if self.how == "emulated":
                turns = [[c.costs(self.x) for c in (self.shipped, *candidates)]]
            else:
                starts = [i % len(self.x) for i in range(rounds)]
                turns = [
                    [c.costs([*self.x[k:], *self.x[:k]]) for c in (self.shipped, *candidates)]
                    for k in starts
                ]
            shipped = [turn[0] for turn in turns]
            return [
                summary([turn[i] for turn in turns], shipped, same_steps(own, schedule))
                for i, schedule in enumerate(schedules, 1)
            ]

    def _build(self, schedule: Mapping[str, Any] | None) -> Artifact:
        stage = Path(tempfile.mkdtemp(dir=self.root, prefix="candidate-"))
        try:
            return self._build_in(stage, schedule)
        except BaseException:
            shutil.rmtree(stage, ignore_errors=True)
            raise

    def _build_in(self, stage: Path, schedule: Mapping[str, Any] | None) -> Artifact:
        for file in self.root.glob("*.safetensors"):
            shutil.copy(file, stage / file.name)
        few = FEW if self.how == "native" else 1
        built = assemble(str(stage), self.target, "tuned", few, self.cpu, None, schedule=schedule)
        manifest = manifest_of(
            self.floats,
            built,
            name="tuned",
            target=self.profile.name,
            unroll=few,
            numeric=self.network.numeric,
        )
        return Artifact(stage, manifest)

    def _open(self, artifact: Artifact) -> _Candidate:
        runner = self.remote.open(artifact) if self.remote else artifact_runner(artifact)
        return _Candidate(artifact, runner, self.how, self.x)

    def _renew(self) -> None:
        """Opens the shipped schedule in a new session. Raises DeviceError where the device is gone."""
        assert self.remote is not None
        artifact = self.shipped.artifact
        self.shipped.runner = None  # what is loaded in a session keeps it open
        self.remote.close()
        self.shipped = self._open(artifact)

    @contextmanager
    def _candidates(self, schedules: list[dict[str, Any]]) -> Iterator[list[_Candidate]]:
        candidates: list[_Candidate] = []
        built: list[Artifact] = []
        try:
            for schedule in schedules:
                built.append(self._build(schedule))
            if self.remote is not None and not self.remote.usable:
                self._renew()  # only now: a session there is short, and a build may take long
            for artifact in built:
                candidates.append(self._open(artifact))
                for own, good in zip(candidates[-1].traces, self.shipped.traces, strict=True):
                    if not _same(own, good):
                        raise ParityError(
                            "outputs or spikes differ from those of the shipped schedule"
                        )
            yield candidates
        finally:
            for artifact in built:
                shutil.rmtree(artifact.path, ignore_errors=True)

    def _check_shipped(self) -> None:
        """Compares the shipped schedule with the reference, where all forms have the same bits."""
        if same_bits(self.network):
            good = ReferenceRunner(self.network).trace(self.x[0][:, None])
            if not _same(self.shipped.traces[0], good):
                raise ParityError(
                    f"the shipped schedule of {self.target} differs from the reference"
                )


class _Candidate:
    """A built candidate, its self-test passed, and its trace of every sample."""

    def __init__(self, artifact: Artifact, runner: Any, how: str, samples: Sequence[F32]) -> None:
        self.artifact, self.runner = artifact, runner
        if not self.runner.self_test():
            raise ParityError("the self-test fails")
        self.traces = [self.runner.trace(x[:, None]) for x in samples]
        self.native = how == "native"
        if self.native:
            for x, trace in zip(samples, self.traces, strict=True):
                if not np.array_equal(in_steps(self.runner, x), trace.y[:, 0]):
                    raise ParityError("a few steps per call and whole samples differ")

    def costs(self, samples: Sequence[F32]) -> Costs:
        """Cost of one step, by form. samples: in the order in which they are run."""
        if hasattr(self.runner, "costs"):
            return dict(self.runner.costs(samples))
        if not self.native:
            return {STEPS: statistics.fmean(self.runner.instructions)}
        return times(self.runner, samples)


def summary(mine: list[Costs], shipped: list[Costs], steps_are_same: bool) -> dict[str, Any]:
    """A Measurement, as JSON, from the costs of each turn.

    mine: the candidate's. steps_are_same: it has the code of the shipped schedule where steps come
    one by one.
    """
    forms = list(shipped[0])
    turns = [{f: m[f] / s[f] for f in forms} for m, s in zip(mine, shipped, strict=True)]
    if steps_are_same:
        turns = [{**turn, STEPS: 1.0} for turn in turns]
    ratios = {f: statistics.median(turn[f] for turn in turns) for f in forms}
    means = [statistics.geometric_mean(turn.values()) for turn in turns]
    return {
        "costs": {f: ratios[f] * statistics.median(s[f] for s in shipped) for f in forms},
        "ratios": ratios,
        "ratio": statistics.geometric_mean(ratios.values()),
        "wins": statistics.fmean(m < 1 for m in means),
    }


def same_steps(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two schedules differ only in fields that sequences use."""
    return all(a[name] == b[name] for name in a if name not in ONLY_SEQUENCES)


def _features(llvm: Mapping[str, Any]) -> list[str]:
    import tvm
    from tvm.target import codegen

    return [str(f) for f in codegen.llvm_get_cpu_features(tvm.target.Target(dict(llvm)))]


def _same(a: Trace, b: Trace) -> bool:
    """Whether outputs and spikes are equal, with -0 as 0."""
    return np.array_equal(a.y, b.y) and all(
        np.array_equal(mine, good) for mine, good in zip(a.spikes, b.spikes, strict=True)
    )
