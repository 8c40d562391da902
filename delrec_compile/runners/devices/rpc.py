"""A compiled network on a machine of a TVM tracker: TVM's own client, server and protocol.

Made and used in a child process: TVM's client waits without a limit, and can die by signal.
"""

from __future__ import annotations

import secrets
import socket
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import DelrecError, DeviceError, ParityError, ToolchainError
from delrec_compile.runners.devices.guard import Guard
from delrec_compile.runners.devices.program import machine_for, rpc_library
from delrec_compile.runners.devices.tracker import CONNECT_S, Tracker
from delrec_compile.runners.devices.url import Device
from delrec_compile.runners.devices.wire import SLICE_US, Shape, check_code, checked_times, one_line
from delrec_compile.runners.runner import Trace
from delrec_compile.system import tvm_loader
from delrec_compile.system.extras import install
from delrec_compile.system.folders import work_folder

INSTALL_HINT = install("rpc")
POLL_S = 0.5
MAX_BYTES = 64 << 20  # size of one call's arrays
TRIPLE = "target.llvm_get_system_triple"  # only servers that hold TVM's compiler know it


@dataclass(frozen=True)
class Key:
    """A name at a tracker, and the machines behind it."""

    key: str
    total: int
    free: int
    waiting: int


class RpcRunner:
    """Runs samples on a free machine of the key, which it holds until it is closed.

    machine: its architecture; that of the artifact where its server cannot tell. remote: an open
    `session`, in which several artifacts lie side by side.
    """

    def __init__(self, artifact: Artifact, device: Device, remote: Any = None) -> None:
        self.device, self.name = device, str(device)
        self.shape = Shape.of(artifact)
        self.remote = remote or session(device)
        self.host = device.key
        self.machine = machine_for(artifact, device, self._architecture())
        with work_folder() as work, _one_line_errors(device, self.remote.guard):
            file = f"delrec-{secrets.token_hex(8)}.so"
            library = rpc_library(artifact, self.machine, work / file)
            self.remote.upload(bytearray(library.read_bytes()), target=file)
            self.module = self.remote.load_module(file)
            self.remote.remove(file)
            self.cpu = self.remote.cpu()
            if int(self.module["self_test"]()) != 0:
                raise ParityError(f"{device}: the self-test fails there; build the artifact again")

    def trace(self, x: F32) -> Trace:
        """x: (T, batch, inputs). Every sample is traced, run again and compared there."""
        samples, shape = self.shape.checked(x.transpose(1, 0, 2)), self.shape
        ys, fired = [], []
        for part in self._parts(samples):
            y = np.empty((*part.shape[:2], shape.outputs), np.float32)
            spikes = np.empty((*part.shape[:2], shape.neurons), np.uint8)
            with _one_line_errors(self.device, self.remote.guard):
                sent = [self._sent(a) for a in (part, y, spikes)]
                check_code(int(self.module["trace"](*sent)))
                ys.append(sent[1].numpy())
                fired.append(sent[2].numpy())
        return shape.trace(np.concatenate(ys), np.concatenate(fired))

    def times(self, x: NDArray[Any], piece: int = 0, slices: int | None = None) -> list[float]:
        """Those of `DeviceRunner`; a slice goes through the samples of one message."""
        out: list[float] = []
        wanted = len(x) if slices is None else slices
        for part in self._parts(self.shape.checked(x)):
            some = min(len(part), wanted - len(out))
            if some <= 0:
                break
            y = np.empty((part.shape[1], self.shape.outputs), np.float32)
            with _one_line_errors(self.device, self.remote.guard):
                sent = [self._sent(a) for a in (part, y, np.zeros(some))]
                check_code(int(self.module["times"](*sent, SLICE_US * 1000, piece)))
                out += [ns / 1e3 for ns in checked_times(sent[2].numpy())]
        return out

    def _parts(self, samples: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """Groups of samples, each of a reasonable size for one message."""
        widest = self.shape.inputs * samples.itemsize + self.shape.outputs * 4 + self.shape.neurons
        at_once = max(1, MAX_BYTES // (widest * max(1, samples.shape[1])))
        for start in range(0, len(samples), at_once):
            yield samples[start : start + at_once]

    def _sent(self, array: NDArray[Any]) -> Any:
        import tvm

        return tvm.runtime.tensor(np.ascontiguousarray(array), self.cpu)

    def _architecture(self) -> str:
        """The architecture there; empty where its server cannot tell."""
        try:
            triple = str(self.remote.get_function(TRIPLE)())
        except Exception:
            return ""
        return triple.partition("-")[0]


def keys(host: str, port: int) -> list[Key]:
    """The keys of a tracker. Raises DeviceError where there is none."""
    return _keys(_summary(host, port))


def offered(host: str, port: int, key: str) -> set[int]:
    """The ports of a key's servers, as the tracker knows them. Raises DeviceError."""
    servers = _summary(host, port)["server_info"]
    return {int(s["addr"][1]) for s in servers if s["key"] == f"server:{key}"}


def _summary(host: str, port: int) -> dict[str, Any]:
    with Tracker(f"tracker {host}:{port}", host, port) as tracker:
        return tracker.summary()


def client() -> Any:
    """tvm.rpc. Raises ToolchainError, which names the package to install."""
    try:
        tvm_loader.load()
        import tornado  # noqa: F401
        from tvm import rpc
        from tvm.rpc import tracker  # noqa: F401
    except ImportError as error:
        raise ToolchainError(
            f"RPC needs a package that is missing ({error}); {INSTALL_HINT}"
        ) from error
    return rpc


def _keys(summary: dict[str, Any]) -> list[Key]:
    totals: dict[str, int] = {}
    for server in summary["server_info"]:
        key = str(server["key"]).partition(":")[2]
        totals[key] = totals.get(key, 0) + 1
    queues = summary["queue_info"]
    return [
        Key(key, totals[key], int(queues.get(key, {}).get("free", 0)), _waiting(queues, key))
        for key in sorted(totals)
    ]


def _waiting(queues: dict[str, Any], key: str) -> int:
    return int(queues.get(key, {}).get("pending", 0))


def session(device: Device, wait_s: float | None = None) -> Any:
    """A session on a machine of the key, once one is free; its `guard` stands before the server at
    its `place`.

    wait_s: seconds until one must be free; by default the time of the session.
    """
    rpc = client()
    patience = device.timeout_s if wait_s is None else wait_s
    with Tracker(str(device), device.host, device.port) as tracker:
        _wait(device, tracker, patience)
        # another client may have been faster: then this waits for its turn
        host, port, match = tracker.request(device.key, patience)
    try:
        server = socket.create_connection((host, port), CONNECT_S)
    except OSError as error:
        why = error.strerror or str(error)
        raise DeviceError(f"{device}: {UNREACHABLE} ({host}:{port}: {why})") from error
    guard = Guard(server, device.timeout_s)
    try:
        with _one_line_errors(device, guard):
            there = rpc.connect("127.0.0.1", guard.port, match, device.timeout_s)
    except DeviceError:
        guard.close()
        raise
    there.guard, there.place = guard, f"{host}:{port}"
    weakref.finalize(there, guard.close)
    return there


def free(device: Device) -> int:
    """The number of free machines of the device's key. Raises DeviceError without a tracker."""
    return next((k.free for k in keys(device.host, device.port) if k.key == device.key), 0)


def _wait(device: Device, tracker: Tracker, patience: float) -> None:
    """Returns when a machine of the key is free. Raises DeviceError."""
    end = time.monotonic() + patience
    while True:
        known = {k.key: k for k in _keys(tracker.summary())}
        if device.key not in known:
            there = ", ".join(known) or "none; 'delrec-compile devices serve' adds one"
            raise DeviceError(f"{device}: no machine has this key; keys there: {one_line(there)}")
        if known[device.key].free > 0:
            return
        if time.monotonic() > end:
            count = known[device.key].total
            raise DeviceError(
                f"{device}: all {count} machines of the key were busy for "
                f"{patience:g} s; wait, or increase ?timeout="
            )
        time.sleep(POLL_S)


@contextmanager
def _one_line_errors(device: Device, guard: Guard) -> Iterator[None]:
    """Errors of TVM as one-line DeviceErrors; what the guard saw comes first."""
    try:
        yield
    except DelrecError:
        raise
    except Exception as error:
        raise DeviceError(f"{device}: {guard.fault() or _line(error)}") from error


def _line(error: Exception) -> str:
    """The line of TVM's message that names the error."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    errors = [s for s in lines if "rror" in s and "Traceback" not in s] or lines
    text = one_line(errors[-1]) if errors else type(error).__name__
    for word, meaning in MEANINGS.items():
        if word in str(error):
            return f"{meaning} ({text})"
    return text


UNREACHABLE = "its server is dead or unreachable from here"
# part of a message of TVM -> meaning
MEANINGS = {
    "timed out": "no machine was free, or it did not answer in time; see ?timeout=",
    "RPCSessionTimeoutError": "it took longer than allowed; see ?timeout=",
    "wrong ELF class": "the artifact is for another machine",
    "invalid ELF header": "the artifact is for another machine",
    "cannot open shared object": "the artifact does not load there; is it for another machine?",
}
