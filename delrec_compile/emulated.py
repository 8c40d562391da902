"""A compiled network on an emulated processor: the machine code of the artifact, step by step.

The emulator counts instructions exactly. They are not cycles.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.assemble import SPACE
from delrec_compile.build import Artifact
from delrec_compile.errors import DeviceError
from delrec_compile.session import Trace

F32 = NDArray[np.float32]


class EmulatedRunner:
    """Runs every word with `_trace`, and again with `_run`, whose outputs must be the same bits.

    instructions: of `_run`, one figure per step so far. stack_bytes: the deepest so far.
    """

    name = "emulated"

    def __init__(self, artifact: Artifact) -> None:
        from delrec_compile.emulate import open_machine

        m = artifact.manifest
        self.prefix, self.counts = m["name"], np.dtype(m["counts"])
        self.sizes = [
            s["elements"] for n, s in m["state"].items() if n.startswith("l") and n.endswith("_v")
        ]
        self.machine = open_machine(artifact.path / m["image"], m["core"], SPACE)
        self.inputs, self.outputs = int(m["inputs"]), int(m["outputs"])
        self.state = self.machine.alloc(self._call("state_bytes"))
        self.x = self.machine.alloc(self.inputs * self.counts.itemsize)
        self.y = self.machine.alloc(self.outputs * 4)
        self.spikes = self.machine.alloc(sum(self.sizes))
        self.instructions: list[int] = []
        self.stack_bytes = 0

    def self_test(self) -> bool:
        """Runs the golden vectors inside the emulated machine."""
        return self._call("self_test") == 0

    def trace(self, x: F32) -> Trace:
        ys, fired = [], []
        for b in range(x.shape[1]):
            word = np.ascontiguousarray(x[:, b], self.counts)
            y, spikes = self._word(word, traced=True)
            again, _ = self._word(word, traced=False)
            if not np.array_equal(y, again):
                raise DeviceError("the tracing kernel and the plain one differ: report this")
            ys.append(y)
            fired.append(spikes)
        every = np.stack(fired, axis=1)
        split = np.split(every, np.cumsum(self.sizes)[:-1], axis=2)
        return Trace(np.stack(ys, axis=1), tuple(split))

    def _word(self, word: NDArray[Any], *, traced: bool) -> tuple[F32, NDArray[np.uint8]]:
        self._call("reset", self.state)
        y = np.empty((len(word), self.outputs), np.float32)
        spikes = np.zeros((len(word), sum(self.sizes)), np.uint8)
        for t, row in enumerate(word):
            self.machine.write(self.x, row.tobytes())
            if traced:
                self._call("trace", self.state, self.x, 1, self.y, self.spikes)
                raw = self.machine.read(self.spikes, spikes.shape[1])
                spikes[t] = np.frombuffer(raw, np.uint8)
            else:
                self._count("run", self.state, self.x, 1, self.y)
            raw = self.machine.read(self.y, self.outputs * 4)
            y[t] = np.frombuffer(raw, "<f4")
        return y, spikes

    def _call(self, entry: str, *arguments: int) -> int:
        return self.machine.call(f"{self.prefix}_{entry}", *arguments).result

    def _count(self, entry: str, *arguments: int) -> None:
        done = self.machine.call(f"{self.prefix}_{entry}", *arguments)
        if done.result != 0:
            raise DeviceError(f"{entry} answered {done.result} in the emulator")
        self.instructions.append(done.instructions)
        self.stack_bytes = max(self.stack_bytes, done.stack_bytes)
