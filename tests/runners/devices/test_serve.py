"""A tracker and a server of this machine: what they listen on, and what is refused."""

from __future__ import annotations

import subprocess

import pytest
from fixtures.remote import COMMAND, Tracker
from helpers import refusal

from delrec_compile.errors import UsageError
from delrec_compile.runners.devices import serve


def test_an_open_address_is_warned_of() -> None:
    assert "every machine on it must be trusted" in serve.warning("0.0.0.0")
    assert "every machine on it must be trusted" in serve.warning("10.0.0.4")
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        assert "only this machine" in serve.warning(host)


def test_a_port_that_is_taken(tracker: Tracker) -> None:
    line = [*COMMAND, "devices", "tracker", "--port", str(tracker.port)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 8
    assert "in use; choose another with --host and --port" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("key", ["", "a b", "a:b", "a/b", "a,b"])
def test_a_key_is_a_word(key: str) -> None:
    with refusal(UsageError, "one word is required", 2):
        serve.server(key, ("127.0.0.1", 1), "127.0.0.1", None, print, print)
