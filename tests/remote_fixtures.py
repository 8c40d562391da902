"""Machines to reach over loopback: a real sshd with a bare shell, TVM's tracker with its servers."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "delrec_compile.cli.app"]
# all that the machine behind ssh has; the others are the shell's own
TOOLS = ("cat", "chmod", "mkdir", "rm", "sh", "sleep", "uname")
# run before the program, by ?run=
SCRIPTS = {
    "noisy": 'echo "Welcome to the machine"; exec "$@"',
    "crash": "kill -SEGV $$",
    "illegal": "kill -ILL $$",
    "mute": 'cat "$1" > /dev/null',
    "slow": 'sleep 60; exec "$@"',
}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def keys(folder: Path) -> None:
    for name in ("host", "client"):
        line = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(line, check=True)
    shutil.copy(folder / "client.pub", folder / "authorized")


def bare_tools(folder: Path) -> None:
    """A folder for PATH: neither python nor compiler."""
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (folder / tool).symlink_to(found)
    for emulator in ("qemu-aarch64", "qemu-arm"):
        if found := shutil.which(emulator):
            (folder / emulator).symlink_to(found)
    for name, text in SCRIPTS.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)


def server_config(folder: Path, port: int) -> str:
    return f"""Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
SetEnv PATH={folder}/tools
"""


def client_config(folder: Path, port: int, key: str = "client") -> str:
    return f"""Host MyPi
  HostName 127.0.0.1
  Port {port}
  User {getpass.getuser()}
  IdentityFile {folder}/{key}
  IdentityAgent none
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known
"""


@dataclass
class Shell:
    """url(*options): `ssh://MyPi` with its configuration. folder: what it keeps, its `tmp` too."""

    folder: Path

    def url(self, *options: str, config: str = "ssh") -> str:
        own = (f"config={self.folder}/{config}", *options)
        if not any(option.startswith("dir=") for option in own):
            own = (*own, f"dir={self.folder}/tmp")
        return f"ssh://MyPi?{'&'.join(own)}"

    @property
    def left(self) -> list[str]:
        """What runs left behind."""
        return sorted(str(p) for p in (self.folder / "tmp").rglob("*"))


@pytest.fixture(scope="session")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """This machine behind an sshd of its own, which gives nothing but a shell."""
    sshd = shutil.which("sshd") or "/usr/sbin/sshd"
    if not Path(sshd).exists():
        pytest.skip("openssh-server is not installed")
    folder, port = tmp_path_factory.mktemp("sshd"), free_port()
    keys(folder)
    bare_tools(folder / "tools")
    (folder / "tmp").mkdir()
    (folder / "sshd").write_text(server_config(folder, port))
    (folder / "ssh").write_text(client_config(folder, port))
    (folder / "stranger").write_text(client_config(folder, port, "host"))
    host = (folder / "host.pub").read_text()
    (folder / "known").write_text(f"[127.0.0.1]:{port} {host}")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with (folder / "log").open("wb") as log:
        line = [sshd, "-D", "-e", "-f", str(folder / "sshd")]
        server = subprocess.Popen(line, stdin=subprocess.DEVNULL, stderr=log)
    try:
        listening(port, server)
        yield Shell(folder)
    finally:
        server.terminate()
        server.wait(timeout=10)


def listening(port: int, process: subprocess.Popen[bytes]) -> None:
    """Waits until a server answers."""
    for _ in range(600):
        assert process.poll() is None, "the server ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server does not listen")


class Command:
    """A command that serves until it is told to end. lines: what it printed."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def ended(self, by: int = signal.SIGINT) -> tuple[int, str]:
        """The exit code, and what it said on stderr."""
        self.process.send_signal(by)
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said


@dataclass
class Tracker:
    """A tracker of this machine, and what adds machines to it."""

    port: int
    offer: Callable[[str], Command]

    def url(self, key: str, *options: str) -> str:
        return f"rpc://127.0.0.1:{self.port}/{key}" + ("?" + "&".join(options) if options else "")


@pytest.fixture(scope="session")
def tracker() -> Iterator[Tracker]:
    """A tracker with one machine of the key `box`."""
    port = free_port()
    started = [Command("devices", "tracker", "--port", str(port))]

    def offer(key: str) -> Command:
        made = Command("devices", "serve", "--tracker", f"127.0.0.1:{port}", "--key", key)
        started.append(made)
        assert re.fullmatch(rf"{key} on 127\.0\.0\.1:\d+, .*\n", made.line())
        return made

    try:
        assert f"127.0.0.1:{port}" in started[0].line()
        offer("box")
        yield Tracker(port, offer)
    finally:
        for command in reversed(started):
            if command.process.poll() is None:
                command.ended()
