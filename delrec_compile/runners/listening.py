"""An artifact with a front end, from sound to class: its own code, native or emulated."""

from __future__ import annotations

import ctypes
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.artifact.manifest import Artifact, Form
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.errors import DeviceError, UnsupportedError
from delrec_compile.runners.memory import aligned

if TYPE_CHECKING:
    from delrec_compile.runners.emulated.machine import Machine

I16 = NDArray[np.int16]


class Listener(Protocol):
    """The C entry points of one stream."""

    def reset(self) -> None: ...

    def count(self, block: I16) -> NDArray[np.uint8]:
        """`<name>_frontend`: counts of a block."""
        ...

    def listen(self, block: I16) -> F32:
        """`<name>_listen`: outputs of the network after a block."""
        ...


@dataclass(frozen=True)
class Heard:
    """What an artifact makes of utterances.

    counts: (n, steps, channels) uint8. y: (n, steps, outputs).
    """

    counts: NDArray[np.uint8]
    y: F32


def hear(listener: Listener, front: FrontEnd, pcm: I16) -> Heard:
    """Utterances (n, samples), each from a fresh start; first their spikes alone, then all of it."""
    steps = pcm.shape[1] // front.block
    blocks = pcm[:, : steps * front.block].reshape(len(pcm), steps, front.block)
    counts, y = [], []
    for utterance in blocks:
        listener.reset()
        counts.append([listener.count(block) for block in utterance])
        listener.reset()
        y.append([listener.listen(block) for block in utterance])
    return Heard(np.array(counts, np.uint8), np.array(y, np.float32))


def front_end_of(artifact: Artifact) -> FrontEnd:
    """Raises UnsupportedError for an artifact that was built without one."""
    described = artifact.manifest.front_end
    if not described:
        raise UnsupportedError(
            f"{artifact.path} has no front end; build it with --with-frontend, and listen to it then"
        )
    return FrontEnd.from_json(described)


class NativeListener:
    """In this process. library: with the entry points of an artifact of this machine."""

    def __init__(self, artifact: Artifact, library: ctypes.CDLL) -> None:
        m, front = artifact.manifest, front_end_of(artifact)
        self._library, self._name = library, m.name
        self._memory = aligned(int(getattr(library, f"{m.name}_listener_bytes")()), np.uint8)
        self._counts, self._y = np.empty(front.channels, np.uint8), np.empty(m.outputs, np.float32)
        self.reset()

    def reset(self) -> None:
        self._call("listen_reset")

    def self_test(self) -> bool:
        """Whether the front end's golden sound comes out as recorded."""
        return bool(getattr(self._library, f"{self._name}_frontend_self_test")() == 0)

    def count(self, block: I16) -> NDArray[np.uint8]:
        self._call("frontend", np.ascontiguousarray(block), self._counts)
        return self._counts.copy()

    def listen(self, block: I16) -> F32:
        self._call("listen", np.ascontiguousarray(block), self._y)
        return self._y.copy()

    def _call(self, entry: str, *arrays: NDArray[Any]) -> None:
        function = getattr(self._library, f"{self._name}_{entry}")
        function(*(a.ctypes.data_as(ctypes.c_void_p) for a in (self._memory, *arrays)))


@dataclass
class Cost:
    """Instructions of each counted call so far, and the deepest stack."""

    front_end: list[int] = field(default_factory=list)
    all: list[int] = field(default_factory=list)
    stack_bytes: int = 0


class EmulatedListener:
    """In an emulator, in the program that the artifact ships.

    every: one call of an entry in so many is counted, the first among them. cost: of the calls so far.
    """

    def __init__(self, artifact: Artifact, machine: Machine, every: int = 7) -> None:
        m, front = artifact.manifest, front_end_of(artifact)
        self._machine, self._name, self.cost = machine, m.name, Cost()
        self.every, self._calls = every, Counter[str]()
        self._channels, self._outputs = front.channels, m.outputs
        if m.form is Form.LIBRARY:
            size = machine.call(f"{m.name}_listener_bytes").result
            places = [machine.alloc(n) for n in (size, 2 * front.block, 4 * m.outputs)]
            places.append(machine.alloc(front.channels))
        else:
            names = ("test_listener", "test_pcm", "test_scores", "test_x")
            places = [machine.address(f"{m.name}_{name}") for name in names]
        self._at, self._pcm, self._y, self._counts = places
        self.reset()

    def reset(self) -> None:
        self._machine.call(f"{self._name}_listen_reset", self._at)

    def self_test(self) -> bool:
        """Whether the front end's golden sound comes out as recorded."""
        return bool(self._machine.call(f"{self._name}_frontend_self_test").result == 0)

    def count(self, block: I16) -> NDArray[np.uint8]:
        self._call("frontend", block, self._counts, self.cost.front_end)
        return np.frombuffer(self._machine.read(self._counts, self._channels), np.uint8)

    def listen(self, block: I16) -> F32:
        self._call("listen", block, self._y, self.cost.all)
        return np.frombuffer(self._machine.read(self._y, 4 * self._outputs), "<f4")

    def _call(self, entry: str, block: I16, to: int, instructions: list[int]) -> None:
        self._machine.write(self._pcm, block.astype("<i2").tobytes())
        self._machine.counting = counted = self._calls[entry] % self.every == 0
        self._calls[entry] += 1
        done = self._machine.call(f"{self._name}_{entry}", self._at, self._pcm, to)
        if done.result != 0:
            raise DeviceError(f"{entry} returned {done.result} in the emulator")
        self._machine.counting = False
        if counted:
            instructions.append(done.instructions)
        self.cost.stack_bytes = max(self.cost.stack_bytes, done.stack_bytes)
