"""A compiled network on a machine with a shell: the system's ssh carries a static program there.

One connection sends the program with the samples behind it, runs it, brings the answer back, and
removes it. Nothing else is needed there, and nothing stays.
"""

from __future__ import annotations

import os
import re
import secrets
import selectors
import shlex
import shutil
import subprocess
import tempfile
import time

from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import DelrecError, DeviceError, ToolchainError, UsageError
from delrec_compile.runners.devices.program import machine_for, program
from delrec_compile.runners.devices.program_runner import ProgramRunner
from delrec_compile.runners.devices.url import Device
from delrec_compile.runners.devices.wire import Answer, answer_size, decode, one_line
from delrec_compile.system.folders import work_folder

INSTALL_HINT = "apt-get install openssh-client"
CONNECT_S = 10
SSH_FAILED = 255  # ssh's own exit code
FOLDER = "/tmp"
MARK = "delrec:"
LARGEST = 1 << 20  # bytes that a login may print beside an answer
MESSAGES = 1 << 16  # bytes of stderr that are kept
PIECE = 1 << 16
# exit code of the script -> meaning
CODES = {
    71: "no folder could be made in {folder}; choose another folder with ?dir=",
    72: "the program could not be written to {folder}; choose another folder with ?dir=",
    126: "the program cannot be run from {folder}; name a folder that allows it with ?dir=",
    127: "a command is missing there",
    132: "the processor there lacks an instruction: build with --cpu for it",
    137: "the program was killed there: is there enough memory?",
    139: "the program crashed there (SIGSEGV): report this",
}


class SshRunner(ProgramRunner):
    """Runs samples on the device. machine: its own `uname -m`, or that of an emulator there."""

    def __init__(self, artifact: Artifact, device: Device) -> None:
        super().__init__(artifact, device)
        self.folder = _shell_safe(device, "dir", FOLDER)
        self.prefix = _shell_safe(device, "run", "")
        there = hello(device)
        # an emulator there runs code of a machine that only the artifact knows
        machine = machine_for(artifact, device, "" if self.prefix else there["machine"])
        self.machine = machine if self.prefix else there["machine"]
        self.host = there["host"]
        with work_folder() as work:
            self.program = program(artifact, machine, work / "program").read_bytes()

    def answer(self, request: bytes) -> Answer:
        """Sends the program and the request over one connection. Raises ParityError, DeviceError."""
        place = f"{self.folder}/delrec-{secrets.token_hex(8)}"
        script = (
            f'd="{place}"; umask 077; mkdir "$d" || exit 71; '
            'trap "rm -rf \\"$d\\"" EXIT; trap "exit 129" HUP INT TERM PIPE; '
            'cat > "$d/program" && chmod 700 "$d/program" || exit 72; '
            f'{self.prefix} "$d/program" "$d/program" {len(self.program)}'
        )
        largest = LARGEST + answer_size(request, self.shape)
        output = ssh(self.device, script, self.program + request, self.device.timeout_s, largest)
        try:
            return decode(output, request, self.shape)
        except DelrecError as error:
            raise type(error)(f"{self.device}: {error}") from error


def hello(device: Device) -> dict[str, str]:
    """The `machine` and `host` of a device, from `uname` there. Raises DeviceError."""
    output = ssh(device, f"echo {MARK} $(uname -m) $(uname -n)", b"", CONNECT_S * 3)
    reply = re.search(rf"^{MARK} (\S+) (\S+)", output.decode("utf-8", "replace"), re.MULTILINE)
    if reply is None:
        raise DeviceError(f"{device} has no shell that answers; a POSIX 'sh' is required")
    return {"machine": one_line(reply[1]), "host": one_line(reply[2])}


def ssh(
    device: Device, script: str, stdin: bytes, timeout_s: float, largest: int = LARGEST
) -> bytes:
    """The output of a script, which has no single quotes, on a device. Raises DeviceError.

    largest: bytes of output; a machine that sends more is refused at once.
    """
    code, output, errors = _called(
        device, [*command(device), f"exec sh -c '{script}'"], stdin, timeout_s, largest
    )
    if code == 0:
        return output
    lines = errors.decode("utf-8", "replace").strip().splitlines() or ["no message"]
    last = one_line(lines[-1])
    if code == SSH_FAILED:
        raise DeviceError(
            f"{device} cannot be reached: {last}; "
            f"'{shlex.join([*command(device), 'true'])}' must work without prompting"
        )
    why = CODES.get(code, f"exit code {code}")
    folder = device.options.get("dir", FOLDER)
    raise DeviceError(f"{device}: {why.format(folder=folder)} ({last})")


def _called(
    device: Device, line: list[str], stdin: bytes, timeout_s: float, largest: int
) -> tuple[int, bytes, bytes]:
    """Exit code, output and the end of the messages of ssh. Raises DeviceError."""
    with tempfile.TemporaryFile(prefix="delrec-") as sent:
        sent.write(stdin)
        sent.seek(0)
        pipe = subprocess.PIPE
        process = subprocess.Popen(line, stdin=sent, stdout=pipe, stderr=pipe)
    end = time.monotonic() + timeout_s
    try:
        output, errors = _read(process, end, largest)
        return process.wait(max(0.1, end - time.monotonic())), output, errors
    except (TimeoutError, subprocess.TimeoutExpired) as error:
        raise DeviceError(
            f"{device}: no answer within {timeout_s:g} s; allow more with ?timeout="
        ) from error
    except OverflowError as error:
        raise DeviceError(f"{device}: it sends more than {largest:,} bytes: no answer") from error
    finally:
        process.kill()
        process.wait()


def _read(process: subprocess.Popen[bytes], end: float, largest: int) -> tuple[bytes, bytes]:
    """Standard output, and the end of standard error. Raises TimeoutError, OverflowError."""
    assert process.stdout is not None
    assert process.stderr is not None
    output, errors = bytearray(), bytearray()
    with process.stdout, process.stderr, selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ, output)
        waiting.register(process.stderr, selectors.EVENT_READ, errors)
        while waiting.get_map():
            left = end - time.monotonic()
            if left <= 0 or not (ready := waiting.select(left)):
                raise TimeoutError
            for key, _ in ready:
                part = os.read(key.fd, PIECE)
                key.data.extend(part)
                if not part:
                    waiting.unregister(key.fileobj)
            del errors[:-MESSAGES]
            if len(output) > largest:
                raise OverflowError
    return bytes(output), bytes(errors)


def command(device: Device) -> list[str]:
    """ssh to the device, which never asks. Raises ToolchainError where there is no ssh."""
    if shutil.which("ssh") is None:
        raise ToolchainError(f"ssh is not installed; {INSTALL_HINT}")
    line = ["ssh", "-T", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_S}"]
    line += ["-o", "ServerAliveInterval=15", "-o", "LogLevel=ERROR"]
    if config := device.options.get("config"):
        line += ["-F", config]
    if device.port:
        line += ["-p", str(device.port)]
    if device.user:
        line += ["-l", device.user]
    return [*line, "--", device.host]


def _shell_safe(device: Device, option: str, default: str) -> str:
    """An option of the device, safe in a shell's command. Raises UsageError."""
    text = device.options.get(option, default)
    if not re.fullmatch(r"[\w./ +=,:@%-]*", text):
        raise UsageError(
            f"device '{device}': option '{option}' may contain letters, digits, spaces and ./+=,:@%-_"
        )
    return text
