"""Candidates of `tune` on another machine, several side by side. Used in the evaluator's process.

Into one session with a tracker's machine, candidates are loaded one after another. Sessions are
short: a server ends one that is too old, and with it a candidate that hangs. A candidate that kills
the process there takes its session along; the next one gets a new one.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.artifact.abi import HOISTED_FROM
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import DeviceError
from delrec_compile.runners.devices.open import DeviceRunner, open_device
from delrec_compile.runners.devices.url import Device, parse
from delrec_compile.runners.runner import Trace

SESSION_S = 60.0  # after which a server ends a session, where the device's URL sets no time
YOUNG = 0.4  # part of a session in which a comparison is begun
BACK_S, POLL_S = 30.0, 0.5
# form -> steps in a call; 0: a sample in one call
PIECES = {"steps": HOISTED_FROM - 1, "sequence": 0}


class Remote:
    """A device, and the session open there. Raises UsageError for a URL of no device.

    back_s: seconds that a machine may take to come back. place: the address of the machine.
    """

    def __init__(self, url: str, back_s: float = BACK_S) -> None:
        self.device: Device = parse(url)
        self.back_s, self.place = back_s, self.device.host
        self.session: Any = None
        self.since = 0.0
        self.sessions = 0

    @property
    def usable(self) -> bool:
        """Whether a comparison may begin in the open session."""
        age = time.monotonic() - self.since
        young = self.session is not None and age < YOUNG * self.session_s
        return self.device.kind != "rpc" or young

    @property
    def session_s(self) -> float:
        """Seconds after which a server ends a session: those of `?timeout=`, for slow devices."""
        return self.device.timeout_s if "timeout" in self.device.options else SESSION_S

    def open(self, artifact: Artifact) -> RemoteRunner:
        """Opens the artifact there, its self-test passed. Raises DeviceError, ParityError, ..

        A tracker may hand out a server that has just died: a session that fails at once is
        opened again.
        """
        before = self.sessions
        try:
            with self.guarded():
                return RemoteRunner(self, self._runner(artifact))
        except DeviceError:
            if self.sessions == before:
                raise
        with self.guarded():
            return RemoteRunner(self, self._runner(artifact))

    def close(self) -> None:
        """Ends the session, once nothing loaded in it is referenced."""
        self.session = None
        gc.collect()

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """Drops the session after an error of the device."""
        try:
            yield
        except DeviceError:
            self.session = None
            raise

    def _runner(self, artifact: Artifact) -> DeviceRunner:
        if self.device.kind != "rpc":
            return open_device(artifact, self.device)
        from delrec_compile.runners.devices.rpc import RpcRunner

        if self.session is None:
            self.session = self._new_session()
            self.place = self.session.place
            self.since = time.monotonic()
            self.sessions += 1
        return RpcRunner(artifact, self.device, self.session)

    def _new_session(self) -> Any:
        """Opens a session; a server whose process died under the last one needs time to come back."""
        from delrec_compile.runners.devices.rpc import session

        options = {**self.device.options, "timeout": str(self.session_s)}
        end = time.monotonic() + (self.back_s if self.sessions else 0)
        wait_s = min(self.session_s, self.back_s) if self.sessions else self.session_s
        while True:
            try:
                return session(replace(self.device, options=options), wait_s)
            except DeviceError:
                if time.monotonic() > end:
                    raise
            time.sleep(POLL_S)


class RemoteRunner:
    """An artifact on a device."""

    def __init__(self, remote: Remote, runner: DeviceRunner) -> None:
        self.remote, self.runner = remote, runner
        self.how = f"device ({remote.device}: {runner.host}, {runner.machine})"

    def self_test(self) -> bool:
        """True: it passed when the artifact was opened."""
        return True

    def trace(self, x: F32) -> Trace:
        """Traces x, (T, batch, inputs), there; each sample also runs in one call and in steps."""
        with self.remote.guarded():
            return self.runner.trace(x)

    def costs(self, samples: Sequence[F32]) -> dict[str, float]:
        """Microseconds of CPU time per step, by form. samples: in the order in which they are run."""
        x = np.stack(samples)
        with self.remote.guarded():
            return {form: self.runner.times(x, n, slices=1)[0] for form, n in PIECES.items()}
