"""A compiled network on an emulated processor: the machine code of the artifact, step by step.

The emulator counts instructions exactly. They are not cycles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.artifact.firmware import SPACE, Chip, memory_map, trace_program
from delrec_compile.artifact.manifest import Artifact, Form
from delrec_compile.errors import DeviceError
from delrec_compile.runners.emulated.machine import Machine
from delrec_compile.runners.emulated.open import how, open_machine
from delrec_compile.runners.emulated.pace import Pace, seconds_of
from delrec_compile.runners.runner import KernelRunner, Trace, split_spikes
from delrec_compile.system.folders import work_folder

COUNTED = 2  # steps whose counting is timed


@dataclass(frozen=True)
class Buffers:
    """Addresses of one stream's state, input, output and spikes."""

    state: int
    x: int
    y: int
    spikes: int = 0


class EmulatedRunner(KernelRunner):
    """Runs every sample with `_trace`, and again with `_run`, whose outputs must be the same bits.

    `_run` is called in the program that the artifact ships, in the chip's own memory; `_trace`, for
    a chip, in one that is linked now and has more room.

    instructions: instructions of `_run`, one figure for each counted step so far. every: one step of
    so many is counted, the first of each sample among them. stack_bytes: deepest stack so far; more
    than the manifest says is a DeviceError.
    """

    name = "emulated"

    def __init__(self, artifact: Artifact) -> None:
        m = artifact.manifest
        self.how, self.cpu = how(str(m.core), m.cpu), m.cpu
        self.prefix, self.counts = m.name, m.counts_dtype
        self.neurons = m.neurons
        self.inputs, self.outputs = m.inputs, m.outputs
        self.chip = Chip(str(m.core), memory_map(m.memory))
        self.program = self._open(artifact.path / str(m.image), self.chip.memory)
        self.at = self._variables() if m.is_sources else self._allocated(self.program)
        self.path, self.form = artifact.path, m.form
        self.instructions: list[int] = []
        self.every = 1
        self.stack_bytes, self.bound = 0, m.stack_bytes

    @cached_property
    def tracer(self) -> Machine:
        """The program of `_trace`, linked at its first use."""
        return self.program if self.form is Form.LIBRARY else self._tracer(self.path)

    @cached_property
    def seen(self) -> Buffers:
        return self._allocated(self.tracer)

    def self_test(self) -> bool:
        """Runs the golden vectors inside the emulated machine."""
        self.program.counting = False
        return self._call(self.program, "self_test") == 0

    def pace(self, x: F32) -> Pace:
        """Seconds of a step, measured on a few: x (T, 1, inputs).

        The programs are linked and their code is translated before.
        """
        counted = x[:COUNTED]
        self.outputs_of(counted[:1])
        counting = seconds_of(lambda: self.outputs_of(counted)) / len(counted)
        self.instructions.clear()
        self.trace_once(x[:1])
        plain = seconds_of(lambda: self.trace_once(x)) / len(x)
        return Pace(2 * plain, max(0.0, counting - plain))

    def trace_once(self, x: F32) -> Trace:
        """x: (T, samples, inputs), each sample from a fresh start."""
        traced = [self._traced(sample) for sample in self._samples(x)]
        spikes = np.stack([s for _, s in traced], axis=1)
        return Trace(np.stack([y for y, _ in traced], axis=1), split_spikes(spikes, self.neurons))

    def outputs_of(self, x: F32) -> F32:
        """x: (T, samples, inputs), each sample from a fresh start. Counts instructions."""
        return np.stack([self._run(sample) for sample in self._samples(x)], axis=1)

    def _samples(self, x: F32) -> Iterator[NDArray[Any]]:
        for b in range(x.shape[1]):
            yield np.ascontiguousarray(x[:, b], self.counts)

    def _open(self, image: Path, memory: Any) -> Machine:
        if image.suffix == ".wasm":
            return open_machine(image, self.chip.core)
        return open_machine(image, self.chip.core, memory or SPACE, cpu=self.cpu)

    def _tracer(self, root: Path) -> Machine:
        with work_folder() as work:
            return self._open(trace_program(root, self.prefix, self.chip, work), SPACE)

    def _variables(self) -> Buffers:
        """The buffers that a program for a chip has instead of a heap."""
        names = ("test_state", "test_x", "test_y")
        return Buffers(*(self.program.address(f"{self.prefix}_{name}") for name in names))

    def _allocated(self, machine: Machine) -> Buffers:
        sizes = [self._call(machine, "state_bytes"), self.inputs * self.counts.itemsize]
        return Buffers(*(machine.alloc(n) for n in (*sizes, self.outputs * 4, sum(self.neurons))))

    def _traced(self, sample: NDArray[Any]) -> tuple[F32, NDArray[np.uint8]]:
        machine, at = self.tracer, self.seen
        machine.counting = False
        self._call(machine, "reset", at.state)
        y = np.empty((len(sample), self.outputs), np.float32)
        spikes = np.empty((len(sample), sum(self.neurons)), np.uint8)
        for t, row in enumerate(sample):
            machine.write(at.x, row.tobytes())
            self._call(machine, "trace", at.state, at.x, 1, at.y, at.spikes)
            spikes[t] = np.frombuffer(machine.read(at.spikes, spikes.shape[1]), np.uint8)
            y[t] = np.frombuffer(machine.read(at.y, self.outputs * 4), "<f4")
        return y, spikes

    def _run(self, sample: NDArray[Any]) -> F32:
        machine, at = self.program, self.at
        self._call(machine, "reset", at.state)
        y = np.empty((len(sample), self.outputs), np.float32)
        for t, row in enumerate(sample):
            machine.counting = t % self.every == 0
            machine.write(at.x, row.tobytes())
            done = machine.call(f"{self.prefix}_run", at.state, at.x, 1, at.y)
            if done.result != 0:
                raise DeviceError(f"run returned {done.result} in the emulator")
            if t % self.every == 0:
                self.instructions.append(done.instructions)
            self.stack_bytes = max(self.stack_bytes, done.stack_bytes)
            if self.bound is not None and self.stack_bytes > self.bound:
                raise DeviceError(
                    f"a step took {self.stack_bytes} bytes of stack, over the {self.bound} that the "
                    "manifest says; report this"
                )
            y[t] = np.frombuffer(machine.read(at.y, self.outputs * 4), "<f4")
        return y

    def _call(self, machine: Machine, entry: str, *arguments: int) -> int:
        return machine.call(f"{self.prefix}_{entry}", *arguments).result
