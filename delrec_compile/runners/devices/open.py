"""A device's URL -> a runner on it."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.runners.devices.url import Device
from delrec_compile.runners.runner import Trace


class DeviceRunner(Protocol):
    """A runner on a machine. machine: its architecture, as `uname -m` names it. host: its name."""

    name: str
    machine: str
    host: str

    def trace(self, x: F32) -> Trace:
        """x: (T, batch, inputs) counts."""
        ...

    def times(self, x: NDArray[Any], piece: int = 0, slices: int | None = None) -> list[float]:
        """Microseconds of CPU time per step, of slices of some ms.

        x: (samples, T, inputs); slice k goes through it from sample k on. piece: steps in a call; 0: a
        sample in one call. slices: by default as many as samples, which are the most.
        """
        ...


def open_device(artifact: Artifact, device: Device) -> DeviceRunner:
    """A runner of an artifact on a device.

    Raises DeviceError for a machine that is not reached, or is another than the artifact's.
    """
    if device.kind == "rpc":
        from delrec_compile.runners.devices.rpc import RpcRunner

        return RpcRunner(artifact, device)
    if device.kind == "ssh":
        from delrec_compile.runners.devices.ssh import SshRunner

        return SshRunner(artifact, device)
    from delrec_compile.runners.devices.local import LocalRunner

    return LocalRunner(artifact, device)
