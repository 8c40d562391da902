"""An artifact on a machine by its static program: samples go in, traces and times come back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.runners.devices.url import Device
from delrec_compile.runners.devices.wire import Answer, Shape, encode
from delrec_compile.runners.runner import Trace


class ProgramRunner(ABC):
    """A runner that sends bytes to `targets/device/main.c` and reads its answer.

    machine: architecture there, as `uname -m` names it. host: its name.
    """

    machine: str
    host: str

    def __init__(self, artifact: Artifact, device: Device) -> None:
        self.device, self.name = device, str(device)
        self.shape = Shape.of(artifact)

    def trace(self, x: F32) -> Trace:
        """x: (T, batch, inputs). Every sample is traced, run again and compared there."""
        samples = self.shape.checked(x.transpose(1, 0, 2))
        answer = self.answer(encode(self.shape, samples, traced=len(samples), timed=0))
        return self.shape.trace(answer.y, answer.spikes)

    def times(self, x: NDArray[Any], piece: int = 0, slices: int | None = None) -> list[float]:
        """Those of `DeviceRunner`."""
        samples = self.shape.checked(x)
        timed = len(x) if slices is None else slices
        request = encode(self.shape, samples, traced=0, timed=timed, piece=piece)
        return [ns / 1e3 for ns in self.answer(request).ns_per_step]

    @abstractmethod
    def answer(self, request: bytes) -> Answer:
        """Runs the program on an encoded request. Raises ParityError, DeviceError."""
