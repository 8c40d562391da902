"""A process between TVM's client and a server that need not be trusted.

TVM RPC is two-way: while a client waits for an answer it serves requests too, also those that load
and call code. This passes one answer to each request, and only what an answer may hold. Protocol:
`src/runtime/rpc/rpc_endpoint.cc` and `minrpc/rpc_reference.h` of TVM.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import subprocess
import sys
import tempfile
import time
from typing import Any

from delrec_compile.errors import DeviceError
from delrec_compile.system.process import Group, end_with_parent

MAGIC = 0xFF271  # a session is accepted; the two numbers after it say that it is not
SHUTDOWN, RETURN, EXCEPTION, COPY_FROM, COPY_ACK = 1, 4, 5, 6, 8  # codes of packets
# type indices of TVM-FFI by how their values are sent: 8 bytes; a length and its bytes; a second
# index before one of these; and the reference to an object of the server
NONE, WORDS, BYTES, TAGGED, REFERENCE = 0, (1, 2, 3, 4, 5, 6), (8, 9, 65, 66), (11, 12, 65, 66), 115
LARGEST = 1 << 20  # bytes of an answer that is no copy, and of a key
MOST = 8  # values in an answer
PIECE = 1 << 20
LATE = "it took longer than allowed; see ?timeout="
GRACE_S = 5.0  # by which a server that ends a session itself is the first
BOOT = """
import json, sys
sys.path[:] = json.loads(sys.argv[2])
from delrec_compile.runners.devices.guard import main
main(sys.argv[1], float(sys.argv[3]))
"""


class Guard:
    """The process. port: of loopback, where it takes one client in the server's place."""

    def __init__(self, server: socket.socket, timeout_s: float) -> None:
        """server: connected; this process closes it. timeout_s: of one answer."""
        self._said = tempfile.TemporaryFile(prefix="delrec-")  # noqa: SIM115
        with server, socket.create_server(("127.0.0.1", 0), backlog=1) as listener:
            self.port = int(listener.getsockname()[1])
            pipes: dict[str, Any] = {"stdin": server, "stdout": listener, "stderr": self._said}
            self.group = Group(BOOT, json.dumps(sys.path), str(timeout_s), **pipes)

    def fault(self) -> str:
        """What the server did, in words; empty where it did nothing wrong."""
        with contextlib.suppress(subprocess.TimeoutExpired):  # it says why it ends
            self.group.process.wait(timeout=0.5)
        self._said.seek(0)
        lines = self._said.read(1 << 16).decode(errors="replace").splitlines()
        return lines[-1] if lines else ""

    def close(self) -> None:
        """Ends the process."""
        self.group.end()
        self._said.close()


def main(pipe: str, timeout_s: float) -> None:
    """In the process: standard input is the server, standard output where the client comes."""
    end_with_parent(int(pipe))
    with socket.socket(fileno=0) as server, socket.socket(fileno=1) as listener:
        client, _ = listener.accept()
        with client:
            # a request is sent in parts, and the second one would wait for the first one's receipt
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                relay(client, server, timeout_s)
            except DeviceError as error:
                print(error, file=sys.stderr, flush=True)
            except TimeoutError:
                print(LATE, file=sys.stderr, flush=True)
            except OSError as error:
                print(f"its server died ({error.strerror or error})", file=sys.stderr, flush=True)


def relay(client: socket.socket, server: socket.socket, timeout_s: float) -> None:
    """Passes requests and their answers until the client ends. Raises DeviceError, OSError."""
    limit = timeout_s + GRACE_S
    own, there = Stream(client, None), Stream(server, limit)
    server.settimeout(limit)
    _greet(own, there)
    while (head := own.next(8)) is not None:
        (size,) = struct.unpack("<Q", head)
        code = own.read(4)
        (kind,) = struct.unpack("<i", code)
        server.settimeout(limit)
        end_of_it = own.pass_on(size - 4, server, head + code)
        if kind == SHUTDOWN:
            return
        # a request for a copy ends with its size
        copied = struct.unpack("<Q", end_of_it)[0] if kind == COPY_FROM else -1
        there.wait_anew()
        _answer(there, client, copied)


def _greet(own: Stream, there: Stream) -> None:
    """The keys of both sides."""
    head = own.read(8)
    own.pass_on(struct.unpack("<4xi", head)[0], there.socket, head)
    there.wait_anew()
    code = there.read(4)
    own.socket.sendall(code)
    if struct.unpack("<i", code)[0] != MAGIC:  # the client knows why, and ends
        return
    head = there.read(4)
    (size,) = struct.unpack("<i", head)
    if not 0 <= size <= LARGEST:
        raise DeviceError(f"its server sends a key of {size:,} bytes")
    there.pass_on(size, own.socket, head)


def _answer(there: Stream, client: socket.socket, copied: int) -> None:
    """Passes one answer. copied: bytes of the copy that was asked for, or -1."""
    head = there.read(8)
    (size,) = struct.unpack("<Q", head)
    if size < 4:
        raise DeviceError("its server sends an empty packet")
    code = there.read(4)
    (kind,) = struct.unpack("<i", code)
    if kind == COPY_ACK and size - 4 == copied:
        there.pass_on(copied, client, head + code)
        return
    if kind not in (RETURN, EXCEPTION):
        raise DeviceError(f"its server sends a request or a wrong answer (packet {kind}): refused")
    if size > LARGEST:
        raise DeviceError(f"its server sends {size:,} bytes; up to {LARGEST:,} are read")
    body = there.read(size - 4)
    if not is_plain(body, is_error=kind == EXCEPTION):
        raise DeviceError("its server sends an answer that holds more than plain values: refused")
    client.sendall(head + code + body)


def is_plain(body: bytes, *, is_error: bool = False) -> bool:
    """Whether values that were sent are numbers, text, and names of objects on the server.

    is_error: one text is required.
    """
    try:
        (count,) = struct.unpack_from("<i", body)
        if not 0 <= count <= MOST:
            return False
        at, kinds = 4, []
        for _ in range(count):
            kind, at = _value(body, at)
            kinds.append(kind)
    except (struct.error, ValueError):
        return False
    return at == len(body) and (not is_error or (count == 1 and kinds[0] in (*BYTES, *TAGGED)))


def _value(body: bytes, at: int) -> tuple[int, int]:
    """The type index of a value, and where the next one starts. Raises ValueError."""
    (outer,) = struct.unpack_from("<i", body, at)
    at, kind = at + 4, outer
    if outer in TAGGED or outer == REFERENCE:
        (kind,) = struct.unpack_from("<i", body, at)
        at += 4
        if kind not in (65, 66, REFERENCE):
            raise ValueError(kind)
    if kind == NONE:
        return outer, at
    if kind not in (*WORDS, *BYTES, REFERENCE):
        raise ValueError(kind)
    (word,) = struct.unpack_from("<Q", body, at)
    return outer, at + 8 + (word if kind in BYTES else 0)


class Stream:
    """Exact reads from a socket. limit_s: of one answer, from `wait_anew` on; None: no limit."""

    def __init__(self, source: socket.socket, limit_s: float | None) -> None:
        self.socket, self.limit_s = source, limit_s
        self.end = 0.0

    def wait_anew(self) -> None:
        """An answer begins."""
        self.end = time.monotonic() + (self.limit_s or 0.0)

    def read(self, size: int) -> bytes:
        """Raises DeviceError where the other side ends before, or takes too long."""
        out = bytearray()
        while len(out) < size:
            out += self._part(size - len(out))
        return bytes(out)

    def next(self, size: int) -> bytes | None:
        """`read`, or None where the other side has ended."""
        first = self.socket.recv(size)
        return first + self.read(size - len(first)) if first else None

    def pass_on(self, size: int, target: socket.socket, head: bytes) -> bytes:
        """Sends the head and that many more bytes to a socket; the last of them."""
        last = b""
        target.sendall(head)
        while size:
            part = self._part(min(size, PIECE))
            target.sendall(part)
            last, size = (last + part)[-8:], size - len(part)
        return last

    def _part(self, size: int) -> bytes:
        if self.limit_s is not None:
            left = self.end - time.monotonic()
            if left <= 0:
                raise DeviceError(LATE)
            self.socket.settimeout(left)
        try:
            part = self.socket.recv(min(size, PIECE))
        except TimeoutError as error:
            raise DeviceError(LATE) from error
        if not part:
            raise DeviceError("its server died")
        return part
