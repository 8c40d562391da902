"""The machines that can be named, and their states."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from fixtures.remote import COMMAND, Shell

from delrec_compile.runners.devices import discover
from delrec_compile.runners.devices.rpc import Key
from delrec_compile.runners.devices.url import parse_all


def test_hosts_of_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "# a comment\nHost pi4 board-2 *.lan !x\n  HostName 10.0.0.1\nhost=lab\n"
        'Host "quoted"\nMatch host other\nHost *\n  User me\nHost -bad\n'
    )
    assert discover.ssh_hosts(config) == ["pi4", "board-2", "lab", "quoted"]
    assert discover.ssh_hosts(tmp_path / "none") == []
    found = discover.devices(None, config=config)
    assert [f.device for f in found] == [
        "local",
        "ssh://pi4",
        "ssh://board-2",
        "ssh://lab",
        "ssh://quoted",
    ]
    assert {f.state for f in found[1:]} == {"not asked"}


def test_one_that_is_not_reached_is_exit_8(shell: Shell) -> None:
    line = [*COMMAND, "devices", "--device", shell.url(config="stranger"), "--json"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 8
    assert json.loads(done.stdout)["devices"][-1]["state"] == "not reached"
    assert "denied" in done.stderr.splitlines()[-1]


def test_a_key_that_a_tracker_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"box": Key("box", 2, 1, 0)}
    monkeypatch.setattr(discover, "keys", lambda *_: [*here.values()])
    asked = parse_all(["rpc://host:1/bux", "rpc://host:1/box"])
    found = {f.device: f for f in discover.devices(None, asked, config=Path(os.devnull))}
    lost = found["rpc://host:1/bux"]
    assert (lost.state, lost.machine) == ("not reached", None)
    assert lost.detail == "no machine has this key"
    assert found["rpc://host:1/box"].state == "ready"
