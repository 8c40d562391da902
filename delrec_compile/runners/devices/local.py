"""This machine as a device, with the program that ssh carries to others."""

from __future__ import annotations

import platform
import subprocess

from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import CompilerCrash
from delrec_compile.runners.devices.program import machine_for, program
from delrec_compile.runners.devices.program_runner import ProgramRunner
from delrec_compile.runners.devices.url import Device
from delrec_compile.runners.devices.wire import Answer, decode
from delrec_compile.system.folders import work_folder
from delrec_compile.system.process import limit_s, run_bytes, timeout_message

TIMEOUT_S = 600.0  # of a request, where $DELREC_TIMEOUT sets no other


class LocalRunner(ProgramRunner):
    """The program of an artifact in a process of this machine."""

    def __init__(self, artifact: Artifact, device: Device) -> None:
        super().__init__(artifact, device)
        self.host = platform.node()
        self.machine = machine_for(artifact, device, platform.machine())
        with work_folder() as work:
            self.program = program(artifact, self.machine, work / "program").read_bytes()

    def answer(self, request: bytes) -> Answer:
        """Raises CompilerCrash where the program dies or takes too long, ParityError, DeviceError."""
        limit = limit_s(TIMEOUT_S)
        with work_folder() as work:
            file = work / "program"
            file.write_bytes(self.program + request)
            file.chmod(0o700)
            try:
                done = run_bytes([file, file, str(len(self.program))], limit)
            except subprocess.TimeoutExpired as error:
                raise CompilerCrash(
                    timeout_message("the program of the artifact", limit, "")
                ) from error
        if done.returncode != 0:
            raise CompilerCrash(f"the program of the artifact exited with {done.returncode}")
        return decode(done.stdout, request, self.shape)
