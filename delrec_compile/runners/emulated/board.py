"""A compiled network on a whole emulated board (QEMU), for cores that need its instructions (MVE).

One run from reset replays all samples: recorded input goes in as a file, outputs, spikes and clock
ticks come back as one, by semihosting.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.artifact.firmware import Chip, memory_map, replay_program
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import DeviceError
from delrec_compile.runners.emulated import qemu
from delrec_compile.runners.runner import Trace

TIMEOUT_S = 300.0


class BoardRunner:
    """Runs `_run` and `_trace` of each step side by side; their outputs must be the same bits.

    instructions: of `_run`, one figure per step so far, from the board's clock, which ticks for
    every instruction: some 20 too many, which read it. stack_bytes: of a step. Raises ToolchainError
    without QEMU.
    """

    name = "emulated"

    def __init__(self, artifact: Artifact) -> None:
        m = artifact.manifest
        self.artifact, self.prefix = artifact, m.name
        self.board = qemu.load_board(m.board)
        self.how = self.board.how
        self.sizes = m.neurons
        self.inputs, self.outputs = m.inputs, m.outputs
        self.chip = Chip(str(m.core), memory_map(m.memory))
        self.instructions: list[int] = []
        self.stack_bytes = 0

    def self_test(self) -> bool:
        """Runs the program that the artifact ships, golden vectors and all, from reset."""
        image = self.artifact.path / str(self.artifact.manifest.image)
        return qemu.run_image(image, self.board.name).status == 0

    def trace(self, x: F32) -> Trace:
        steps, samples = x.shape[:2]
        record = self._record
        with tempfile.TemporaryDirectory(prefix="delrec-") as folder:
            work = Path(folder)
            sizes = {"INPUTS": self.inputs, "OUTPUTS": self.outputs, "NEURONS": sum(self.sizes)}
            image = replay_program(self.artifact.path, self.prefix, self.chip, sizes, work)
            (work / "input.bin").write_bytes(self._input(x))
            ran = qemu.run_image(image, self.board.name, timeout_s=TIMEOUT_S, folder=work)
            raw = (work / "output.bin").read_bytes() if ran.status == 0 else b""
        if len(raw) != 4 + record.itemsize * steps * samples:
            raise DeviceError(
                f"{self.board.name} ended with {ran.status} after {len(raw)} bytes of output"
            )
        self.stack_bytes = max(self.stack_bytes, int.from_bytes(raw[:4], "little"))
        found = np.frombuffer(raw[4:], record).reshape(samples, steps)
        if not np.array_equal(found["y"], found["traced"]):
            raise DeviceError("the tracing kernel and the plain one differ: report this")
        self.instructions += [
            round(ticks / (self.board.ticks or 1)) for ticks in found["ticks"].ravel().tolist()
        ]
        every = np.ascontiguousarray(found["spikes"].transpose(1, 0, 2))
        split = tuple(np.split(every, np.cumsum(self.sizes)[:-1], axis=2))
        return Trace(np.ascontiguousarray(found["y"].transpose(1, 0, 2)), split)

    @property
    def _record(self) -> np.dtype[np.void]:
        y = ("<f4", (self.outputs,))
        spikes = ("u1", (sum(self.sizes),))
        return np.dtype([("ticks", "<u4"), ("y", *y), ("traced", *y), ("spikes", *spikes)])

    def _input(self, x: F32) -> bytes:
        """Per step a byte, 1 where a sample begins, and the counts."""
        samples = np.ascontiguousarray(x.transpose(1, 0, 2)).astype(np.uint8)
        begins = np.zeros((*samples.shape[:2], 1), np.uint8)
        begins[:, 0] = 1
        return np.concatenate([begins, samples], axis=2).tobytes()
