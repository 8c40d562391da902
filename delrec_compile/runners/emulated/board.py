"""A compiled network on an emulated board (QEMU), for cores whose instructions (MVE) need one.

One run from reset replays all samples: recorded input goes in as a file, outputs, spikes and clock
ticks come back as one, by semihosting.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, partial

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.artifact.firmware import Chip, memory_map, replay_program, self_testing
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import DeviceError
from delrec_compile.runners.emulated import qemu
from delrec_compile.runners.emulated.pace import Pace, seconds_of, seconds_per_step
from delrec_compile.runners.runner import Trace, require_equal_outputs, split_spikes
from delrec_compile.system.folders import work_folder

TIMEOUT_S = 300.0
# boards that run the code of a core whose chip none of them is
STAND_INS = {"cortex_m55": "mps3-an547", "cortex_m85": "mps3-an547"}


class BoardRunner:
    """Runs `_run` and `_trace` of each step side by side; their outputs must be the same bits.

    instructions: instructions of `_run`, one figure for each counted step so far, from the board's
    clock, which ticks for every instruction; reading it adds some 20. every: one step of so many is
    counted, the first of each sample among them. stack_bytes: deepest stack of a step.
    The chip of a profile that names no board of QEMU is replaced by a board with its instructions.
    Raises ToolchainError without QEMU.
    """

    name = "emulated"

    def __init__(self, artifact: Artifact) -> None:
        m = artifact.manifest
        self.artifact, self.prefix = artifact, m.name
        self.board = qemu.load_board(m.board or STAND_INS.get(str(m.core), ""))
        self.how = self.board.how
        self.neurons = m.neurons
        self.inputs, self.outputs = m.inputs, m.outputs
        own = memory_map(m.memory)
        self.foreign = not m.board  # linked again, in the memory of the board
        memory = replace(self.board.memory, stack=own.stack) if own and self.foreign else own
        self.chip = Chip(str(m.core), memory)
        self.instructions: list[int] = []
        self.every = 1
        self.stack_bytes = 0

    def self_test(self) -> bool:
        """Runs the program in the artifact, which holds the golden vectors, from reset."""
        root = self.artifact.path
        with work_folder() as folder:
            image, work = root / str(self.artifact.manifest.image), folder
            if self.foreign:
                image = self_testing(root, self.prefix, self.chip, work, work / "test.elf")
            return qemu.run_image(image, self.board.name).status == 0

    def pace(self, x: F32) -> Pace:
        """Seconds of a step, measured on a few: x (T, 1, inputs); without those of the start."""
        self.trace(x[:1])
        short, long = (seconds_of(partial(self.trace, part)) for part in (x[:1], x))
        self.instructions.clear()
        return Pace(seconds_per_step(short, long, len(x) - 1))

    @cached_property
    def _replay(self) -> bytes:
        """The program that replays samples, linked at its first use."""
        sizes = {"INPUTS": self.inputs, "OUTPUTS": self.outputs, "NEURONS": sum(self.neurons)}
        with work_folder() as folder:
            own = (self.artifact.path, self.prefix, self.chip, sizes, folder)
            return replay_program(*own).read_bytes()

    def trace(self, x: F32) -> Trace:
        """x: (T, samples, inputs), each sample from a fresh start. Raises ParityError."""
        steps, samples = x.shape[:2]
        record, program = self._record, self._replay
        with work_folder() as work:
            image = work / f"{self.prefix}-replay.elf"
            image.write_bytes(program)
            (work / "input.bin").write_bytes(self._input(x))
            ran = qemu.run_image(image, self.board.name, timeout_s=TIMEOUT_S, folder=work)
            raw = (work / "output.bin").read_bytes() if ran.status == 0 else b""
        if len(raw) != 4 + record.itemsize * steps * samples:
            raise DeviceError(
                f"{self.board.name} ended with {ran.status} after {len(raw)} bytes of output"
            )
        self.stack_bytes = max(self.stack_bytes, int.from_bytes(raw[:4], "little"))
        rows = np.frombuffer(raw[4:], record).reshape(samples, steps)
        require_equal_outputs(rows["traced"], rows["y"])
        ticks = rows["ticks"][:, :: self.every].ravel()
        self.instructions += [round(n / (self.board.ticks or 1)) for n in ticks.tolist()]
        spikes = np.ascontiguousarray(rows["spikes"].transpose(1, 0, 2))
        y = np.ascontiguousarray(rows["y"].transpose(1, 0, 2))
        return Trace(y, split_spikes(spikes, self.neurons))

    @property
    def _record(self) -> np.dtype[np.void]:
        y = ("<f4", (self.outputs,))
        spikes = ("u1", (sum(self.neurons),))
        return np.dtype([("ticks", "<u4"), ("y", *y), ("traced", *y), ("spikes", *spikes)])

    def _input(self, x: F32) -> bytes:
        """Per step a byte, 1 where a sample begins, and x."""
        dtype = self.artifact.manifest.counts_dtype.newbyteorder("<")
        rows = np.zeros(x.shape[1::-1], np.dtype([("begins", "u1"), ("x", dtype, (self.inputs,))]))
        rows["begins"][:, 0], rows["x"] = 1, x.transpose(1, 0, 2)
        return rows.tobytes()
