"""Machines behind ssh, over loopback: a real sshd whose shell has neither Python nor a compiler."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cases
import numpy as np
import pytest
from fixtures.command import cli_here, ok_here
from fixtures.remote import COMMAND, Shell
from fixtures.staged import artifact_here
from helpers import refusal

from delrec_compile.artifact.manifest import Artifact, Form
from delrec_compile.errors import (
    DeviceError,
    InputError,
    ToolchainError,
    UnsupportedError,
    UsageError,
)
from delrec_compile.network import checkpoint
from delrec_compile.runners.devices import ssh as devices_ssh
from delrec_compile.runners.devices.ssh import SshRunner
from delrec_compile.runners.devices.url import parse
from delrec_compile.runners.runner import Runner
from delrec_compile.runners.session import Session
from delrec_compile.runners.torch_runner import TorchRunner
from delrec_compile.system.fields import SEAL

pytestmark = pytest.mark.usefixtures("children_here")
Compile = Callable[..., Session]
ARM = {"arm_cpu": ("qemu-aarch64", "aarch64"), "arm_cpu_v7": ("qemu-arm", "armv7l")}


def runner(artifact: Artifact, url: str) -> SshRunner:
    return SshRunner(artifact, parse(url))


def same_bits(there: Runner, name: str) -> None:
    x = cases.counts(cases.CASES[name], batch=3)
    want, got = TorchRunner(cases.network(name)).trace(x), there.trace(x)
    assert sum(int(s.sum()) for s in want.spikes) > 0
    np.testing.assert_array_equal(got.y, want.y)
    for have, wanted in zip(got.spikes, want.spikes, strict=True):
        np.testing.assert_array_equal(have, wanted)


@pytest.mark.parametrize("target", ["x86_64", "portable_c"])
@pytest.mark.parametrize("name", ["mixed", "three_layers", "delay_300", "odd_lif", "single"])
def test_the_bits_of_torch_there(name: str, target: str, shell: Shell, compiled: Compile) -> None:
    there = runner(compiled(cases.network(name), target=target).artifact, shell.url())
    same_bits(there, name)
    assert there.machine == os.uname().machine
    assert there.host == os.uname().nodename
    times = there.times(cases.counts(cases.CASES[name], batch=4).transpose(1, 0, 2))
    assert len(times) == 4
    assert all(0 < t < 1e5 for t in times)
    assert shell.left == []


@pytest.mark.parametrize("target", ARM)
def test_a_machine_of_another_kind(target: str, shell: Shell, tmp_path: Path) -> None:
    """ARM code over ssh, which runs it in an emulator of its processor."""
    emulator, machine = ARM[target]
    if shutil.which(emulator) is None:
        pytest.skip(f"{emulator} is not installed")
    network = cases.network("mixed")
    artifact = artifact_here(network, target, tmp_path)
    there = runner(artifact, shell.url(f"run={emulator}"))
    assert there.machine == machine
    same_bits(there, "mixed")
    with refusal(DeviceError, f"is x86_64, and .* is built for {machine}", 8):
        runner(artifact, shell.url())


def test_what_a_login_prints_does_no_harm(shell: Shell, compiled: Compile) -> None:
    same_bits(runner(compiled(cases.network("mixed")).artifact, shell.url("run=noisy")), "mixed")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            "dir=/proc/nonexistent",
            "no folder could be made in /proc/nonexistent; choose another folder with",
        ),
        ("dir=/proc", "no folder could be made in /proc"),
        ("run=crash", r"the program crashed there \(SIGSEGV\)"),
        ("run=illegal", "lacks an instruction: build with --cpu"),
        ("run=nothing-of-this-name", "a command is missing there .*nothing-of-this-name"),
        ("run=mute", "did not answer; it printed: nothing"),
        ("run=echo", "did not answer; it printed: .*/program"),
        ("run=slow&timeout=2", "no answer within 2 s"),
        ("run=wordy&timeout=2", "no answer within 2 s"),
        ("run=flood", r"it sends more than 1,0\d\d,\d\d\d bytes: no answer"),
        ("run=escapes", r"exit code 3 \(\\x1b\]0;OWNED"),
    ],
)
def test_what_goes_wrong_there_is_one_line(
    option: str,
    message: str,
    shell: Shell,
    compiled: Compile,
) -> None:
    there = runner(compiled(cases.network("single")).artifact, shell.url(option))
    with refusal(DeviceError, f"ssh://MyPi.*{message}", 8):
        there.trace(cases.counts(cases.CASES["single"]))


def test_who_is_not_let_in_is_not_asked(shell: Shell, compiled: Compile) -> None:
    artifact = compiled(cases.network("single")).artifact
    with refusal(DeviceError, "cannot be reached: .*denied.*must work without prompting", 8):
        runner(artifact, shell.url(config="stranger"))
    unknown = f"ssh://MyPi?config={shell.folder}/nowhere"
    (shell.folder / "nowhere").write_text("Host MyPi\n  HostName 127.0.0.1\n  Port 1\n")
    with refusal(DeviceError, "cannot be reached: .*onnection refused", 8):
        runner(artifact, unknown)


def test_what_cannot_be_sent_is_refused(
    shell: Shell,
    compiled: Compile,
    tmp_path: Path,
) -> None:
    artifact = compiled(cases.network("single")).artifact
    with refusal(UsageError, "option 'run' may contain letters", 2):
        runner(artifact, shell.url("run=a;b"))
    older = replace(artifact.manifest, static_library=None)
    with refusal(InputError, "has no static library: .* build it again", 3):
        runner(Artifact(artifact.path, older), shell.url())
    gpu = replace(artifact.manifest, form=Form.CUDA)
    with refusal(UnsupportedError, "is for a GPU", 4):
        runner(Artifact(artifact.path, gpu), shell.url())
    chip = replace(artifact.manifest, machine="cortex_m")
    with refusal(UnsupportedError, "is built for cortex_m; machines .* aarch64", 4):
        runner(Artifact(artifact.path, chip), shell.url())


def test_an_answer_that_was_cut_off(shell: Shell, compiled: Compile) -> None:
    there = runner(compiled(cases.network("mixed")).artifact, shell.url())
    said: list[bytes] = []
    real = devices_ssh.decode
    x = cases.counts(cases.CASES["mixed"])

    def keep(answer: bytes, sent: bytes, shape: object) -> object:
        said.append(answer)
        return real(answer, sent, shape)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices_ssh, "decode", keep)
        there.trace(x)
        patch.setattr(devices_ssh, "ssh", lambda *_: said[0][:-7])
        with refusal(DeviceError, "of .* bytes: it was cut off", 8):
            there.trace(x)


def test_a_client_that_is_killed_leaves_nothing_there(
    shell: Shell,
    artifacts: dict[str, Path],
) -> None:
    url = shell.url("run=slow")
    line = [*COMMAND, "check", str(artifacts["conv_delay_256"]), "--limit", "1", "--device", url]
    client = subprocess.Popen(line, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        _until(lambda: bool(shell.left), 120)
        before = _sleepers()
        assert before
    finally:
        os.killpg(client.pid, signal.SIGKILL)
        client.wait()
    for pid in before:
        os.kill(pid, signal.SIGTERM)  # its 60 seconds are over
    _until(lambda: not shell.left, 30)


def _sleepers() -> list[int]:
    """The processes of run=slow."""
    out = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if line[:2] == [b"sleep", b"60"]:
            out.append(int(path.parent.name))
    return out


def _until(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_the_commands(shell: Shell, artifacts: dict[str, Path]) -> None:
    folder, url = str(artifacts["conv_delay_256"]), shell.url()
    told = _json("check", folder, "--limit", "2", "--device", f"{url},local")
    assert told["schema"] == "delrec.check/1"
    assert told["passed"] is True
    assert [d["device"] for d in told["devices"]] == [url, "local"]
    assert all(d["spikes"]["compared"] == 2 * 80 * 512 for d in told["devices"])
    told = _json("check", folder, "--limit", "2", "--device", url)
    assert told["spikes"]["differing"] == 0
    assert told["machine"] == os.uname().machine
    told = _json("bench", folder, "--rounds", "3", "--device", url, "--device", "local")
    assert [r["device"] for r in told["rows"]] == [url, "local"]
    assert told["rows"][0]["ratio_to_ours"] == 1.0
    # the same program on the same machine
    assert 0.2 < told["rows"][1]["ratio_to_ours"] < 5
    assert told["workload"]["samples"] == 3
    told = _json("devices", "--device", url)
    assert told["devices"][-1] == {
        "device": url,
        "state": "ready",
        "machine": os.uname().machine,
        "detail": os.uname().nodename,
    }
    assert shell.left == []


def test_a_build_is_proven_there(shell: Shell, tmp_path: Path) -> None:
    line = ("build", "--limit", "2", "-o", str(tmp_path / "a"), "--device", shell.url())
    told = _json(*line)
    assert told["devices"][0]["spikes"]["differing"] == 0
    assert told["on_devices"]["rows"][0]["us_per_step"] > 0


def test_spikes_that_differ_there_are_exit_6(
    shell: Shell, artifacts: dict[str, Path], tmp_path: Path
) -> None:
    """An artifact whose network was replaced by one with another threshold."""
    folder = tmp_path / "a"
    shutil.copytree(artifacts["conv_delay_256"], folder)
    network = checkpoint.load(folder / "network.safetensors")
    first, *rest = network.layers
    other = replace(first, neuron=replace(first.lif, threshold=first.lif.threshold * 2))
    checkpoint.save(replace(network, layers=(other, *rest)), folder / "network.safetensors")
    manifest = json.loads((folder / "manifest.json").read_text())
    content = (folder / "network.safetensors").read_bytes()
    manifest["files"]["network.safetensors"] = hashlib.sha256(content).hexdigest()
    del manifest[SEAL]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for verb, message in (
        ("check", r"ssh://MyPi\S+ x86_64 differs .* layer 0"),
        ("bench", "computes different outputs"),
    ):
        done = cli_here(verb, folder, "--device", shell.url())
        assert done.returncode == 6
        assert re.search(message, done.stderr.splitlines()[-1])


def _json(*arguments: str) -> dict[str, object]:
    told: dict[str, object] = json.loads(ok_here(*arguments, "--json"))
    return told


def test_help_of_devices_is_light() -> None:
    code = (
        "import sys, delrec_compile.cli.devices; "
        "print([m for m in ('torch', 'tvm', 'numpy', 'rich') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_the_line_of_ssh_says_what_the_url_does() -> None:
    plain = devices_ssh.command(parse("ssh://board"))
    assert plain[:2] == ["ssh", "-T"]
    assert "BatchMode=yes" in plain, "it never asks"
    assert plain[-2:] == ["--", "board"]
    assert not {"-F", "-p", "-l"} & {*plain}
    whole = devices_ssh.command(parse("ssh://pi@board:2222?config=/etc/own"))
    told = ["-F", "/etc/own", "-p", "2222", "-l", "pi", "--", "board"]
    assert whole == [*plain[:-2], *told]


def test_without_ssh_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with refusal(ToolchainError, "ssh is not installed; ", 5):
        devices_ssh.command(parse("ssh://board"))


def test_a_machine_without_a_shell_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices_ssh, "ssh", lambda *_: b"Welcome to this switch\r\n> ")
    with refusal(DeviceError, "^ssh://switch has no shell that answers; a POSIX 'sh'", 8):
        devices_ssh.hello(parse("ssh://switch"))
