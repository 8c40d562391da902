"""Names of devices: what is understood, and how the rest is refused."""

from __future__ import annotations

import pytest
from helpers import refusal

from delrec_compile.errors import UsageError
from delrec_compile.runners.devices.url import LOCAL, TRACKER_PORT, parse, parse_all, parse_tracker


def test_a_machine_of_a_tracker() -> None:
    found = parse("rpc://host.lan:9191/pi4")
    assert (found.kind, found.host, found.port, found.key) == ("rpc", "host.lan", 9191, "pi4")
    assert parse("rpc://host/pi4").port == TRACKER_PORT
    assert parse("rpc://[::1]:9190/pi4").host == "::1"
    assert parse("rpc://host/pi4?timeout=30").timeout_s == 30.0


def test_a_machine_with_a_shell() -> None:
    found = parse("ssh://me@host:2222?dir=/data/tmp&run=qemu-aarch64%20-cpu%20max")
    assert (found.kind, found.user, found.host, found.port) == ("ssh", "me", "host", 2222)
    assert found.options == {"dir": "/data/tmp", "run": "qemu-aarch64 -cpu max"}
    assert parse("ssh://pi").port == 0
    assert parse("ssh://me@MyPi").host == "MyPi"
    assert parse("ssh://pi/").user == ""


def test_this_machine_and_several() -> None:
    assert parse("local") is LOCAL
    found = parse_all(["ssh://a,rpc://h/k", "ssh://a", "local"])
    assert [d.url for d in found] == ["ssh://a", "rpc://h/k", "local"]
    assert parse_tracker("127.0.0.1:9999") == ("127.0.0.1", 9999)
    assert parse_tracker("host") == ("host", 9190)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("rcp://host/pi4", "did you mean 'rpc'.*allowed: local, rpc://host:port/key"),
        ("pi4", "unknown kind of device"),
        ("rpc:host/pi4", "unknown kind of device"),
        ("rpc://host:9190", "the key is missing; 'delrec-compile devices --tracker host:9190'"),
        ("rpc:///pi4", "the host is missing"),
        ("rpc://host:port/pi4", "device 'rpc://host:port/pi4'"),
        ("rpc://host:99999/pi4", "device 'rpc://host:99999/pi4'"),
        ("rpc://me@host/pi4", "rpc:// URLs take no user name"),
        ("ssh://-oProxyCommand=sh/", "'-oProxyCommand=sh' is not a host name"),
        ("ssh://-oProxyCommand=sh@host", "is not a user name"),
        ("ssh://a%20b@host", "'a b' is not a user name"),
        ("ssh://me:secret@host", "use a key"),
        ("ssh://host/tmp", r"use \?dir=/tmp"),
        ("ssh://host?identity=x", "unknown option 'identity'; options of ssh: config, dir, run"),
        ("ssh://host?dir=", "option 'dir' is empty"),
        ("ssh://host?timeout=0", "timeout '0' is not a number of seconds"),
        ("ssh://host?timeout=nan", "timeout 'nan' is not a number of seconds"),
    ],
)
def test_what_names_no_machine_is_refused(url: str, message: str) -> None:
    with refusal(UsageError, message, 2):
        parse(url)
