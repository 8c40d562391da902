"""The service of a Raspberry Pi: its program for ARM answers on a socket, systemd takes its units."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from fixtures.examples import EXAMPLES, Makers, commands, needs

EXAMPLE = "raspberry_pi_service"
WORDS = 4  # of each: emulation starts anew


@pytest.fixture(scope="module")
def service(makers: Makers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder, made as its README says."""
    needs("make", "aarch64-linux-gnu-gcc", "qemu-aarch64", "systemd-analyze")
    folder = shutil.copytree(EXAMPLES / EXAMPLE, tmp_path_factory.mktemp("service") / "it")
    for line in commands(EXAMPLE):
        makers.follow(line, folder)
    return folder


def test_a_connection_names_its_word(service: Path, classified: list[str]) -> None:
    """As systemd serves the socket: a process for each connection, which is its input and output."""
    place = service / "wordd.sock"
    command = ["systemd-socket-activate", "--accept", "--inetd", "-l", str(place)]
    words = sorted((service / "words").glob("*.u8"))[:WORDS]
    with subprocess.Popen(
        [*command, shutil.which("qemu-aarch64") or "", service / "wordd"],
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            answers = [ask(place, word.read_bytes()) for word in words]
        finally:
            server.terminate()
    said = [f"{word.name}: {a[-1].split(': ')[1]}" for word, a in zip(words, answers, strict=True)]
    assert said == classified[:WORDS]
    assert all(answer[0].startswith("0.01 s: ") for answer in answers)
    assert all(answer[-1].startswith("word: ") for answer in answers)


def ask(place: Path, data: bytes) -> list[str]:
    """The lines that a connection gives for its bytes."""
    for _ in range(100):
        if place.exists():
            break
        time.sleep(0.1)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(place))
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile() as lines:
            return lines.read().splitlines()


def test_a_connection_without_a_step_is_an_error(service: Path) -> None:
    command = ["qemu-aarch64", service / "wordd"]
    done = subprocess.run(command, input=b"short", capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"<4>a connection without a step\n"


def test_it_is_installed_and_systemd_takes_it(service: Path, tmp_path: Path) -> None:
    subprocess.run(
        ["make", "-C", service, "install", f"DESTDIR={tmp_path}"], check=True, timeout=60
    )
    program = tmp_path / "usr" / "local" / "bin" / "wordd"
    assert program.read_bytes() == (service / "wordd").read_bytes()
    units = sorted((tmp_path / "etc" / "systemd" / "system").iterdir())
    assert [unit.name for unit in units] == ["wordd.socket", "wordd@.service"]
    for unit in units:
        unit.write_text(unit.read_text().replace("/usr/local/bin/wordd", str(program)))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
    rated = ["systemd-analyze", "security", "--offline=true", "--threshold=10", units[1]]
    assert subprocess.run(rated, capture_output=True, check=False).returncode == 0
