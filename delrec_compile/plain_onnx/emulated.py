"""A plain step on an emulated chip or board: the program of the artifact, and its sources."""

from __future__ import annotations

from typing import Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.artifact.firmware import BUFFERS, Chip, memory_map, replay_program
from delrec_compile.artifact.plain import PlainArtifact
from delrec_compile.errors import DeviceError
from delrec_compile.plain_onnx.session import checked
from delrec_compile.runners.emulated import qemu
from delrec_compile.runners.emulated.open import how, open_machine
from delrec_compile.runners.open import ON_BOARD
from delrec_compile.system.folders import work_folder


def emulated(artifact: PlainArtifact) -> EmulatedSession | BoardSession:
    """One core in an emulator of its instructions, or a board where those need one."""
    on_board = artifact.manifest.core in ON_BOARD
    return BoardSession(artifact) if on_board else EmulatedSession(artifact)


TIMEOUT_S = 300.0


class EmulatedSession:
    """One stream in the chip's own memory, as `PlainSession`.

    instructions: of each step so far. stack_bytes: deepest stack so far.
    """

    def __init__(self, artifact: PlainArtifact) -> None:
        m = artifact.manifest
        self.artifact, self.name = artifact, m.name
        self.how = how(str(m.core))
        self.machine = open_machine(artifact.path / str(m.image), str(m.core), memory_map(m.memory))
        names = (f"{m.name}_{buffer}" for buffer in BUFFERS)
        self.state, self.x, self.y = (self.machine.address(name) for name in names)
        self.inputs, self.outputs = m.inputs, m.outputs
        self.instructions: list[int] = []
        self.stack_bytes = 0
        self.reset()

    def reset(self) -> None:
        """Sets the state to zero."""
        self.machine.call(f"{self.name}_reset", self.state)

    def run(self, x: F32) -> F32:
        """Outputs (steps, outputs) of x, (steps, inputs); the state continues from the last call."""
        return np.stack([self._step(row) for row in checked(x, self.inputs)])

    def _step(self, row: F32) -> F32:
        self.machine.counting = True
        self.machine.write(self.x, row.astype("<f4").tobytes())
        done = self.machine.call(f"{self.name}_step", self.state, self.x, self.y)
        if done.result != 0:
            raise DeviceError(f"step returned {done.result} in the emulator")
        self.instructions.append(done.instructions)
        self.stack_bytes = max(self.stack_bytes, done.stack_bytes)
        return np.frombuffer(self.machine.read(self.y, self.outputs * 4), "<f4").copy()

    def self_test(self) -> bool:
        """Whether the recorded outputs are reproduced; it starts the stream afresh."""
        self.machine.counting = False
        return self.machine.call(f"{self.name}_self_test").result == 0


class BoardSession:
    """As `EmulatedSession`, on a board of QEMU: each run is one from reset, in a fresh stream.

    Raises ToolchainError without QEMU.
    """

    def __init__(self, artifact: PlainArtifact) -> None:
        m = artifact.manifest
        self.artifact, self.board = artifact, qemu.load_board(m.board)
        self.how = self.board.how
        self.inputs, self.outputs = m.inputs, m.outputs
        self.instructions: list[int] = []
        self.stack_bytes = 0

    def reset(self) -> None:
        """Nothing: every run is of a fresh stream."""

    def run(self, x: F32) -> F32:
        """Outputs (steps, outputs) of x, (steps, inputs), from zero state."""
        m, x = self.artifact.manifest, checked(x, self.inputs)
        record = np.dtype([("ticks", "<u4"), ("y", "<f4", (self.outputs,))])
        with work_folder() as work:
            sizes = {"INPUTS": self.inputs, "OUTPUTS": self.outputs}
            chip = Chip(str(m.core), memory_map(m.memory))
            image = replay_program(self.artifact.path, m.name, chip, sizes, work)
            (work / "input.bin").write_bytes(_replayed(x))
            ran = qemu.run_image(image, self.board.name, timeout_s=TIMEOUT_S, folder=work)
            raw = (work / "output.bin").read_bytes() if ran.status == 0 else b""
        if len(raw) != 4 + record.itemsize * len(x):
            raise DeviceError(f"{self.board.name} ended with {ran.status} after {len(raw)} bytes")
        self.stack_bytes = max(self.stack_bytes, int.from_bytes(raw[:4], "little"))
        rows: Any = np.frombuffer(raw[4:], record)
        self.instructions += [round(t / (self.board.ticks or 1)) for t in rows["ticks"].tolist()]
        return np.ascontiguousarray(rows["y"])

    def self_test(self) -> bool:
        """Whether the program in the artifact reproduces the recorded outputs from reset."""
        image = self.artifact.path / str(self.artifact.manifest.image)
        return qemu.run_image(image, self.board.name).status == 0


def _replayed(x: F32) -> bytes:
    """Per step a byte, 1 where the stream begins, and x."""
    rows = np.zeros(len(x), np.dtype([("begins", "u1"), ("x", "<f4", (x.shape[1],))]))
    rows["begins"][:1], rows["x"] = 1, x
    return rows.tobytes()
