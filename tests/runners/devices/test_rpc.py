"""Machines of a TVM tracker, over loopback: real trackers and servers, as the commands start them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cases
import numpy as np
import psutil
import pytest
from fixtures.command import ok_here
from fixtures.hostile import peer, summary, telling
from fixtures.manifests import typed
from fixtures.remote import COMMAND, Command, Tracker, free_port
from helpers import refusal

from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import DeviceError, ParityError, ToolchainError
from delrec_compile.evaluation.devices import check_on
from delrec_compile.runners.devices import discover
from delrec_compile.runners.devices import rpc as devices_rpc
from delrec_compile.runners.devices.rpc import RpcRunner
from delrec_compile.runners.devices.url import parse, parse_all
from delrec_compile.runners.session import Session
from delrec_compile.runners.torch_runner import TorchRunner

Compile = Callable[..., Session]
BOX = parse("rpc://host:1/box")


def runner(artifact: Artifact, url: str) -> RpcRunner:
    return RpcRunner(artifact, parse(url))


@pytest.mark.parametrize("target", ["x86_64", "portable_c"])
@pytest.mark.parametrize("name", ["mixed", "three_layers", "delay_300", "single"])
def test_the_bits_of_torch_there(
    name: str, target: str, tracker: Tracker, compiled: Compile
) -> None:
    there = runner(compiled(cases.network(name), target=target).artifact, tracker.url("box"))
    x = cases.counts(cases.CASES[name], batch=5)
    want, got = TorchRunner(cases.network(name)).trace(x), there.trace(x)
    assert sum(int(s.sum()) for s in want.spikes) > 0
    np.testing.assert_array_equal(got.y, want.y)
    for have, wanted in zip(got.spikes, want.spikes, strict=True):
        np.testing.assert_array_equal(have, wanted)
    assert there.machine == os.uname().machine
    times = there.times(x.transpose(1, 0, 2))
    assert len(times) == 5
    assert all(0 < t < 1e5 for t in times)


def test_many_samples_go_in_several_messages(
    tracker: Tracker, compiled: Compile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices_rpc, "MAX_BYTES", 20_000)
    there = runner(compiled(cases.network("mixed")).artifact, tracker.url("box"))
    x = cases.counts(cases.CASES["mixed"], batch=7)
    samples = x.transpose(1, 0, 2)
    assert len(list(there._parts(samples))) > 2
    want = TorchRunner(cases.network("mixed")).trace(x)
    np.testing.assert_array_equal(there.trace(x).y, want.y)
    assert len(there.times(samples)) == 7


def test_the_listing_tells_what_is_free(tracker: Tracker, compiled: Compile) -> None:
    at = ("127.0.0.1", tracker.port)
    _until(lambda: devices_rpc.keys(*at)[0].free == 1)
    held = runner(compiled(cases.network("single")).artifact, tracker.url("box"))
    (key,) = devices_rpc.keys(*at)
    assert (key.key, key.total, key.free) == ("box", 1, 0)
    found = discover.devices(at, config=Path(os.devnull))
    assert [(f.device, f.state) for f in found] == [
        ("local", "ready"),
        (tracker.url("box"), "busy"),
    ]
    with refusal(DeviceError, "all 1 machines of the key were busy for 1 s", 8):
        runner(held_artifact(held, compiled), tracker.url("box", "timeout=1"))
    del held
    _until(lambda: devices_rpc.keys(*at)[0].free == 1)


def held_artifact(_: RpcRunner, compiled: Compile) -> Artifact:
    return compiled(cases.network("single")).artifact


def test_several_at_once(tracker: Tracker, artifacts: dict[str, Path]) -> None:
    """Two machines of one key, and this one: all run together."""
    second = tracker.offer("box")
    try:
        urls = [tracker.url("box"), tracker.url("box", "timeout=500"), "local"]
        told = check_on(artifacts["conv_delay_256"], parse_all(urls), limit=2)
        assert told["passed"] is True
        assert [d["device"] for d in told["devices"]] == urls
        for row in told["devices"]:
            assert row["spikes"]["compared"] == 2 * 80 * 512
            assert row["spikes"]["differing"] == 0
            assert row["membrane"]["max_abs_error"] == 0.0
    finally:
        assert second.ended()[0] == 130


def test_the_commands(
    tracker: Tracker, artifacts: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = str(artifacts["conv_delay_256"]), tracker.url("box")
    told = _json("check", folder, "--limit", "2", "--device", url)
    assert told["schema"] == "delrec.check/1"
    assert told["passed"] is True
    assert told["spikes"]["compared"] == 2 * 80 * 512
    told = _json("bench", folder, "--rounds", "3", "--device", f"{url},local")
    assert [r["device"] for r in told["rows"]] == [url, "local"]
    assert 0.2 < told["rows"][1]["ratio_to_ours"] < 5  # the same code on the same machine
    told = _json("devices", "--tracker", f"127.0.0.1:{tracker.port}", "--device", url)
    found = {d["device"]: d for d in told["devices"]}
    assert found[url]["state"] in ("ready", "busy")
    assert "of 1 free" in found[url]["detail"]
    monkeypatch.setenv("TVM_TRACKER_HOST", "127.0.0.1")
    monkeypatch.setenv("TVM_TRACKER_PORT", str(tracker.port))
    assert url in {d["device"] for d in _json("devices")["devices"]}


def test_a_wrong_machine_is_refused(tracker: Tracker, compiled: Compile) -> None:
    artifact = compiled(cases.network("single")).artifact
    other = Artifact(artifact.path, replace(artifact.manifest, machine="aarch64"))
    with refusal(DeviceError, "is x86_64, and .* is built for aarch64; build it for the target", 8):
        runner(other, tracker.url("box"))


def test_who_is_not_there_is_one_line(tracker: Tracker, compiled: Compile) -> None:
    artifact = compiled(cases.network("single")).artifact
    with refusal(DeviceError, "no machine has this key; keys there: box", 8):
        runner(artifact, tracker.url("bux"))
    nowhere = f"rpc://127.0.0.1:{free_port()}/box"
    with refusal(DeviceError, "cannot be reached: Connection refused; start one .* tracker'", 8):
        runner(artifact, nowhere)


def test_a_server_outlives_code_that_dies(tracker: Tracker, compiled: Compile) -> None:
    """The process of a session is killed: its client gets one line, the next one is served."""
    server = tracker.offer("frail")
    try:
        artifact = compiled(cases.network("single")).artifact
        there = runner(artifact, tracker.url("frail"))
        sessions = psutil.Process(server.process.pid).children(recursive=True)
        assert sessions
        for process in sessions:
            os.kill(process.pid, signal.SIGKILL)
        with refusal(DeviceError, r"rpc://127\.0\.0\.1:\d+/frail: .", 8):
            there.trace(cases.counts(cases.CASES["single"]))
        assert server.line().startswith("next: ")
        assert server.line().startswith("frail on 127.0.0.1:")
        again = runner(artifact, tracker.url("frail"))
        x = cases.counts(cases.CASES["single"])
        want = TorchRunner(cases.network("single")).trace(x)
        np.testing.assert_array_equal(again.trace(x).y, want.y)
        del again
    finally:
        code, said = server.ended()
    assert code == 130
    assert "code that was sent here crashed" in said


def test_a_server_that_is_killed_is_exit_8(tracker: Tracker, artifacts: dict[str, Path]) -> None:
    server = tracker.offer("mortal")
    url = tracker.url("mortal")
    line = [*COMMAND, "check", str(artifacts["conv_delay_256"]), "--device", url]
    client = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    found = psutil.Process(server.process.pid)
    _until(lambda: bool(found.children()), 120)
    for process in (*found.children(recursive=True), found):
        process.kill()
    _, said = client.communicate(timeout=120)
    server.process.communicate()
    assert client.returncode == 8
    last = said.splitlines()[-1]
    assert last.startswith(f"error: {url}: ")
    assert "Traceback" not in said
    _until(lambda: "mortal" not in {k.key for k in devices_rpc.keys("127.0.0.1", tracker.port)})


@pytest.mark.parametrize("verb", ["tracker", "serve"])
def test_it_listens_on_loopback_and_says_what_rpc_is(verb: str, tracker: Tracker) -> None:
    line = ["devices", verb, "--port", str(free_port()), "--json"]
    if verb == "serve":
        line += ["--key", "own", "--tracker", f"127.0.0.1:{tracker.port}"]
    command = Command(*line)
    told = json.loads(command.line())
    assert told["schema"] == f"delrec.devices-{verb}/1"
    process = psutil.Process(command.process.pid)
    family = [process, *process.children(recursive=True)]
    heard = {c.laddr.ip for p in family for c in p.net_connections() if c.status == "LISTEN"}
    assert heard == {"127.0.0.1"}
    assert told["host"] == "127.0.0.1"
    code, said = command.ended()
    assert code == 130
    assert "RPC runs any code that is sent to it, without a password" in said
    assert "only this machine reaches 127.0.0.1" in said
    assert "Traceback" not in said
    assert not any(p.is_running() for p in family)


def test_a_tracker_that_is_killed_leaves_nothing() -> None:
    command = Command("devices", "tracker", "--port", str(free_port()))
    assert command.line().startswith("tracker on 127.0.0.1:")
    family = psutil.Process(command.process.pid).children(recursive=True)
    command.ended(signal.SIGKILL)
    _until(lambda: not any(p.is_running() for p in family))


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tornado", None)
    with refusal(ToolchainError, r"pip install .*'\S*\[rpc\]'", 5):
        devices_rpc.client()


def _until(true: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def _json(*arguments: str) -> dict[str, object]:
    told: dict[str, object] = json.loads(ok_here(*arguments, "--json"))
    return told


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Traceback (most recent call last)\n  File a\nRPCError: gone\n  more\n", "RPCError: gone"),
        ("no such word\n\nthe last line\n", "the last line"),
        ("\n", "RuntimeError"),
        (
            "InternalError: lib.so: wrong ELF class: 32\n  at dlopen",
            "the artifact is for another machine (InternalError: lib.so: wrong ELF class: 32)",
        ),
        (
            "a call timed out\nTimeoutError",
            "no machine was free, or it did not answer in time; see ?timeout= (TimeoutError)",
        ),
    ],
)
def test_a_message_of_tvm_is_its_line(text: str, line: str) -> None:
    said: Any = SimpleNamespace(fault=lambda: "")
    with pytest.raises(DeviceError) as caught, devices_rpc._one_line_errors(BOX, said):
        raise RuntimeError(text)
    assert str(caught.value) == f"{BOX}: {line}"


def test_what_the_guard_saw_comes_first_and_own_errors_stay() -> None:
    said: Any = SimpleNamespace(fault=lambda: "its server died")
    with pytest.raises(DeviceError) as caught, devices_rpc._one_line_errors(BOX, said):
        raise RuntimeError("RPCError: gone")
    assert str(caught.value) == f"{BOX}: its server died"
    with pytest.raises(ParityError, match=r"^other bits$"), devices_rpc._one_line_errors(BOX, said):
        raise ParityError("other bits")


def test_a_self_test_that_fails_there_is_exit_6(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def library(_: Artifact, machine: str, out: Path) -> Path:
        assert machine == "aarch64", "as its server tells"
        out.write_bytes(b"code")
        return out

    there: dict[str, bytes] = {}
    results = {b"code": 3}
    remote = SimpleNamespace(
        guard=None,
        get_function=lambda _: lambda: "aarch64-unknown-linux-gnu",
        upload=lambda raw, target: there.update({target: bytes(raw)}),
        remove=there.pop,
        load_module=lambda file: {"self_test": lambda code=there[file]: results[code]},
        cpu=lambda: None,
    )
    monkeypatch.setattr(devices_rpc, "rpc_library", library)
    with refusal(ParityError, "the self-test fails there; build the artifact again", 6):
        RpcRunner(Artifact(tmp_path, typed()), BOX, remote)
    assert there == {}, "nothing of it is left there"
    results[b"code"] = 0
    assert RpcRunner(Artifact(tmp_path, typed()), BOX, remote).machine == "aarch64"


def test_a_server_that_is_gone_is_one_line() -> None:
    """The tracker still names it."""
    told = telling(summary(), ["127.0.0.1", free_port(), "box"])
    refused = refusal(DeviceError, "its server is dead or unreachable .*Connection refused", 8)
    with peer(told) as port, refused:
        devices_rpc.session(parse(f"rpc://127.0.0.1:{port}/box?timeout=1"))
