"""Machines to reach over loopback: a real sshd, a real TVM tracker with its servers."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

MEND = "apt-get install openssh-server"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def listening(port: int, process: subprocess.Popen[bytes], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, "the server ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on {port}")


def keys(folder: Path) -> None:
    for name in ("host", "client"):
        line = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(line, check=True)
    shutil.copy(folder / "client.pub", folder / "authorized")


def server_config(folder: Path, port: int) -> str:
    return f"""Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
AcceptEnv DELREC_*
"""


def client_config(folder: Path, port: int) -> str:
    return f"""Host *
  HostName 127.0.0.1
  Port {port}
  User {getpass.getuser()}
  IdentityFile {folder}/client
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known
  SendEnv DELREC_*
"""


@pytest.fixture(scope="session")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """`shell("dir=/x")`: the URL of this machine behind an sshd of its own, with options."""
    sshd = shutil.which("sshd") or "/usr/sbin/sshd"
    assert Path(sshd).exists(), f"sshd is missing; {MEND}"
    folder, port = tmp_path_factory.mktemp("sshd"), free_port()
    keys(folder)
    (folder / "sshd").write_text(server_config(folder, port))
    (folder / "ssh").write_text(client_config(folder, port))
    host = (folder / "host.pub").read_text()
    (folder / "known").write_text(f"[127.0.0.1]:{port} {host}")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [sshd, "-D", "-e", "-f", str(folder / "sshd")], stdin=subprocess.DEVNULL, stderr=log
        )
    try:
        listening(port, server)
        yield lambda *options: f"ssh://MyPi?{'&'.join((f'config={folder}/ssh', *options))}"
    finally:
        server.terminate()
        server.wait(timeout=10)
