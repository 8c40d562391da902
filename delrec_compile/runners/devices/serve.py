"""TVM's own tracker and server, in this process, on loopback by default.

TVM RPC has neither passwords nor encryption: whoever reaches a server runs code as its user.
"""

from __future__ import annotations

import contextlib
import ipaddress
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from delrec_compile.errors import DeviceError, UsageError
from delrec_compile.runners.devices.rpc import client, keys, offered

LOOPBACK = "127.0.0.1"
EVERYWHERE = ("0.0.0.0", "::")
SERVER_PORT = 9090
SERVER_PORTS = 100
POLL_S = 0.5
WARNING = "RPC runs any code that is sent to it, without a password"
INTERRUPTED = 130


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def warning(host: str) -> str:
    """The risk of a server on `host`, in one line."""
    if is_loopback(host):
        return f"{WARNING}; only this machine reaches {host}"
    return f"{WARNING}; {host} is open to a network: every machine on it must be trusted"


def tracker(host: str, port: int, ready: Callable[[int], None]) -> None:
    """Runs TVM's tracker until interrupted; ends the process then. Raises DeviceError."""
    client()
    from tvm.rpc.tracker import PopenTrackerServerState

    _free(host, port)
    state = PopenTrackerServerState(host, port, port + 1, silent=True)
    ready(int(state.port))
    _until_it_ends(state.thread)
    raise DeviceError(f"the tracker on {host}:{port} has ended; start it again")


def server(
    key: str,
    at: tuple[str, int],
    host: str,
    port: int | None,
    ready: Callable[[int], None],
    say: Callable[[str], None],
) -> None:
    """Offers this machine to the tracker `at` under `key`, until interrupted; ends the process then.

    port: by default the first free one from SERVER_PORT. Raises DeviceError.
    """
    if not key or any(c in key for c in " :/?,\t\n"):
        raise UsageError(f"key '{key}': one word is required, without spaces or any of :/?,")
    client()
    from tvm.rpc.server import PopenRPCServerState

    keys(*at)
    first, last = SERVER_PORT, SERVER_PORT + SERVER_PORTS
    if port is not None:
        _free(host, port)
        first, last = port, port + 1
    named, folder = None if host in EVERYWHERE else host, Path.cwd()
    threading.excepthook = lambda _: None
    home = os.getcwd()  # noqa: PTH109
    while True:
        try:
            state = PopenRPCServerState(
                host, first, last, tracker_addr=at, key=key, custom_addr=named, silent=True
            )
        except (OSError, ValueError) as error:
            raise DeviceError(f"{host}: {error}; choose another with --host and --port") from error
        first, last = int(state.port), int(state.port) + 1
        while state.thread.is_alive() and first not in offered(*at, key):
            time.sleep(POLL_S)
        ready(first)
        _until_it_ends(state.thread)
        os.chdir(home)  # TVM leaves the process in the folder of the session that died
        state.sock.close()
        os.chdir(folder)  # where a session dies, the server stays in its deleted folder
        say("code that was sent here crashed, and the server with it; serving again")


def _until_it_ends(thread: threading.Thread) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while thread.is_alive():
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        for session in multiprocessing.active_children():
            session.kill()
        print("interrupted", file=sys.stderr)
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(INTERRUPTED)  # TVM's thread never ends by itself


def _free(host: str, port: int) -> None:
    try:
        family: Any = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise DeviceError(f"{host}:{port}: {why}; choose another with --host and --port") from error
