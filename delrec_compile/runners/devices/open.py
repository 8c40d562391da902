"""A device's URL -> a runner on it."""

from __future__ import annotations

import platform
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import CompilerCrash
from delrec_compile.runners.devices.program import machine_for, program
from delrec_compile.runners.devices.url import Device
from delrec_compile.runners.devices.wire import Shape, packed, unpacked
from delrec_compile.runners.runner import Trace


class DeviceRunner(Protocol):
    """An artifact on a machine. machine, host: what it says it is, and its name."""

    name: str
    machine: str
    host: str

    def trace(self, x: F32) -> Trace:
        """x: (T, batch, inputs) counts."""
        ...

    def times(self, x: NDArray[Any], piece: int = 0) -> list[float]:
        """Microseconds of CPU time per step, of each sample of x (samples, T, inputs)."""
        ...


class LocalRunner:
    """This machine, with the program that ssh carries to others."""

    def __init__(self, artifact: Artifact, device: Device) -> None:
        self.device, self.name = device, str(device)
        self.shape = Shape.of(artifact)
        self.host, here = platform.node(), platform.machine()
        self.machine = machine_for(artifact, device, here)
        with tempfile.TemporaryDirectory(prefix="delrec-") as work:
            self.program = program(artifact, self.machine, Path(work) / "program").read_bytes()

    def trace(self, x: F32) -> Trace:
        """x: (T, batch, inputs). Every sample is traced, run again and compared."""
        samples = self.shape.checked(x.transpose(1, 0, 2))
        y, spikes, _ = self._answer(packed(samples, traced=len(samples), timed=0))
        return self.shape.trace(y, spikes)

    def times(self, x: NDArray[Any], piece: int = 0) -> list[float]:
        """Microseconds of CPU time per step, of each sample of x (samples, T, inputs).

        piece: steps in a call; 0: a sample in one call.
        """
        sent = packed(self.shape.checked(x), traced=0, timed=len(x), piece=piece)
        return [ns / 1e3 for ns in self._answer(sent)[2]]

    def _answer(self, sent: bytes) -> tuple[F32, NDArray[np.uint8], list[float]]:
        with tempfile.TemporaryDirectory(prefix="delrec-") as work:
            file = Path(work) / "program"
            file.write_bytes(self.program + sent)
            file.chmod(0o700)
            done = subprocess.run(
                [file, file, str(len(self.program))], capture_output=True, check=False
            )
        if done.returncode != 0:
            raise CompilerCrash(f"the program of the artifact died with {done.returncode}")
        return unpacked(done.stdout, sent, self.shape)


def open_device(artifact: Artifact, device: Device) -> DeviceRunner:
    """Raises DeviceError for a machine that is not reached, or is another than the artifact's."""
    if device.kind == "rpc":
        from delrec_compile.runners.devices.rpc import RpcRunner

        return RpcRunner(artifact, device)
    if device.kind == "ssh":
        from delrec_compile.runners.devices.ssh import SshRunner

        return SshRunner(artifact, device)
    return LocalRunner(artifact, device)
