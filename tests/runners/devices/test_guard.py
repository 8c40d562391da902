"""A hostile RPC server: its requests do not reach TVM's client, nor do answers that are none."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable

import pytest
from fixtures import hostile
from fixtures.hostile import exactly, greeting, packet, peer, request, summary, telling, words
from helpers import refusal

from delrec_compile.errors import DeviceError
from delrec_compile.runners.devices.guard import (
    GRACE_S,
    LARGEST,
    MAGIC,
    MOST,
    SHUTDOWN,
    Guard,
    Stream,
    _greet,
    is_plain,
    relay,
)
from delrec_compile.runners.devices.rpc import session
from delrec_compile.runners.devices.url import parse

INIT, CALL, RETURN, EXCEPTION, COPY_FROM, COPY_ACK, GLOBAL_FUNCTION = 2, 3, 4, 5, 6, 8, 9
LIMIT_S = 5.0
HELLO = struct.pack("<ii", 0xFF271, 4) + b"key!"
TEXT = struct.pack("<iiQ", 1, 8, 2) + b"no"
NOTHING = struct.pack("<ii", 1, 0)


def value(kind: int, rest: bytes) -> bytes:
    return struct.pack("<ii", 1, kind) + rest


@pytest.mark.parametrize(
    "body",
    [
        struct.pack("<i", 0),
        NOTHING,
        words(1, 2),
        value(3, struct.pack("<d", 1.5)),
        value(4, bytes(8)),
        TEXT,
        value(11, struct.pack("<iQ", 65, 3) + b"abc"),
        value(66, struct.pack("<iQ", 66, 0)),
        value(115, struct.pack("<iQ", 115, 7)),
    ],
)
def test_plain_values_pass(body: bytes) -> None:
    assert is_plain(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        words(1)[:-1],
        words(1) + b"x",
        struct.pack("<i", -1),
        struct.pack("<i", 1 << 30),
        words(*range(MOST + 1)),
        value(7, bytes(64)),  # a tensor, whose memory would be the client's
        value(68, bytes(8)),  # a pointer to a function of the client
        value(73, bytes(8)),  # and to a module
        value(8, struct.pack("<Q", 1 << 62)),
        value(65, struct.pack("<iQ", 65, 1 << 62)),
        value(65, struct.pack("<iQ", 70, 0)),
        value(-5, bytes(8)),
        value(99, bytes(8)),
    ],
)
def test_other_values_do_not(body: bytes) -> None:
    assert not is_plain(body)


def test_an_exception_is_one_text() -> None:
    assert is_plain(TEXT, is_error=True)
    assert not is_plain(NOTHING, is_error=True)
    assert not is_plain(struct.pack("<i", 0), is_error=True)


def relayed(answer: bytes, asked: bytes = packet(CALL, bytes(8) + NOTHING)) -> tuple[bytes, str]:
    """What comes back to a client for a request, and what the guard says of the server.

    The server ends after its answer.
    """
    client, own = socket.socketpair()
    server, there = socket.socketpair()
    said: list[str] = []

    def guard() -> None:
        with own, there:
            try:
                relay(own, there, LIMIT_S - GRACE_S)
            except DeviceError as error:
                said.append(str(error))

    def serve() -> None:
        assert exactly(server, len(HELLO) + len(asked)) == HELLO + asked
        with contextlib.suppress(BrokenPipeError):
            server.sendall(answer)
        server.shutdown(socket.SHUT_WR)

    threads = [threading.Thread(target=f, daemon=True) for f in (guard, serve)]
    with client, server:
        server.sendall(HELLO)
        client.sendall(HELLO + asked)
        for thread in threads:
            thread.start()
        client.shutdown(socket.SHUT_WR)
        back = exactly(client, 1 << 24)
        for thread in threads:
            thread.join(timeout=10)
    assert back[: len(HELLO)] == HELLO
    return back[len(HELLO) :], "".join(said)


def test_answers_pass_as_they_are() -> None:
    for answer in (packet(RETURN, words(0)), packet(EXCEPTION, TEXT)):
        assert relayed(answer) == (answer, "")
    copy = packet(COPY_FROM, bytes(20) + struct.pack("<Q", 3_000_000))
    answer = packet(COPY_ACK, b"x" * 3_000_000)
    assert relayed(answer, copy) == (answer, "")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (packet(INIT, struct.pack("<Q", 5) + b"0.8.0" + struct.pack("<i", 0)), "a request"),
        (packet(CALL, bytes(8) + NOTHING), "a request"),
        (packet(GLOBAL_FUNCTION, TEXT), "a request"),
        (packet(COPY_FROM, bytes(64)), "a request"),
        (packet(COPY_ACK, b"not asked for"), "wrong answer"),
        (packet(1), "wrong answer"),
        (packet(RETURN, size=0), "an empty packet"),
        (packet(RETURN, size=1 << 62), "sends 4,611,686,018,427,387,904 bytes"),
        (packet(RETURN, bytes(LARGEST)), "up to 1,048,576 are read"),
        (packet(RETURN, value(68, bytes(8))), "more than plain values"),
        (packet(RETURN, words(0))[:9], "died"),
        (packet(RETURN, words(0))[:7], "died"),
        (b"", "died"),
    ],
)
def test_anything_else_ends_the_session(answer: bytes, message: str) -> None:
    back, said = relayed(answer)
    assert back == b""
    assert message in said


def test_a_copy_of_another_size_ends_the_session() -> None:
    copy = packet(COPY_FROM, bytes(20) + struct.pack("<Q", 100))
    back, said = relayed(packet(COPY_ACK, bytes(99)), copy)
    assert back == b""
    assert "wrong answer" in said


def test_a_server_that_never_answers() -> None:
    silent, there = socket.socketpair()
    client, own = socket.socketpair()
    with silent, there, client, own:
        client.sendall(HELLO)
        with pytest.raises(DeviceError, match="longer than allowed; see"):
            relay(own, there, 0.2 - GRACE_S)


def test_parts_of_a_request_do_not_wait_for_each_other() -> None:
    """A part that waits for the receipt of the one before takes 40 ms on loopback."""
    asked, answer, rounds = packet(CALL, NOTHING), packet(RETURN, words(0)), 25

    def script(client: socket.socket) -> None:
        assert exactly(client, len(HELLO)) == HELLO
        client.sendall(HELLO)
        while request(client):
            client.sendall(answer)

    def took(client: socket.socket) -> float:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with client:
            client.sendall(HELLO)
            assert exactly(client, len(HELLO)) == HELLO
            times = []
            for _ in range(rounds):
                start = time.perf_counter()
                client.sendall(asked)
                assert exactly(client, len(answer)) == answer
                times.append(time.perf_counter() - start)
        return min(times[-rounds // 2 :])  # the first receipts come at once

    with peer(script, script) as port:
        direct = took(socket.create_connection(("127.0.0.1", port)))
        guard = Guard(socket.create_connection(("127.0.0.1", port)), 60)
        try:
            guarded = took(socket.create_connection(("127.0.0.1", guard.port)))
        finally:
            guard.close()
    assert guarded < 400 * direct


def against(script: Callable[[socket.socket], None]) -> None:
    """TVM's own client, sent by a tracker to this server."""
    with peer(script) as port:
        told = telling(summary(), ["127.0.0.1", port, "box"])
        with peer(told) as tracker:
            session(parse(f"rpc://127.0.0.1:{tracker}/box?timeout=1"))


def test_a_server_does_not_call_into_the_client() -> None:
    """Without the guard TVM's client serves it: a session of its own, then any function by name."""
    heard: list[bytes] = []

    def script(client: socket.socket) -> None:
        greeting(client)
        client.sendall(packet(INIT, struct.pack("<Q", 5) + b"0.8.0" + struct.pack("<i", 0)))
        heard.append(request(client))

    with refusal(DeviceError, r"rpc://\S+: its server sends a request or a wrong answer", 8):
        against(script)
    assert not any(heard)


def test_other_servers_that_lie() -> None:
    def flood(client: socket.socket) -> None:
        greeting(client)
        client.sendall(packet(RETURN, size=1 << 40))
        for _ in range(hostile.FLOOD >> 16):
            client.sendall(bytes(1 << 16))

    def long_key(client: socket.socket) -> None:
        client.sendall(hostile.SERVER_MAGIC + b"\xff\xff\xff\x7f")
        hostile.until_it_ends(client)

    with refusal(DeviceError, r"its server sends 1,099,511,627,776 bytes", 8):
        against(flood)
    with refusal(DeviceError, r"is not TVM RPC server|its server died", 8):
        against(lambda client: client.sendall(b"\x1b[31mSSH-2.0-OpenSSH"))
    with refusal(DeviceError, r"its server sends a key of 2,147,483,647 bytes", 8):
        against(long_key)


def test_the_process_ends_with_its_owner() -> None:
    here, there = socket.socketpair()
    with here:
        guard = Guard(there, 1)
        assert guard.fault() == ""
        guard.close()
        assert guard.group.process.returncode is not None
        assert here.recv(1) == b""


def test_an_end_that_the_client_asks_for_has_no_answer() -> None:
    """So a server that ends then is no fault."""
    assert relayed(b"", packet(SHUTDOWN)) == (b"", "")


def test_a_server_that_declines_says_so_and_nothing_more() -> None:
    """Its number is one that the client knows; there is no key to read."""
    client, own = socket.socketpair()
    server, there = socket.socketpair()
    declined = struct.pack("<i", MAGIC + 2)
    with client, own, server, there:
        client.sendall(HELLO)
        server.sendall(declined + b"what comes after")
        _greet(Stream(own, None), Stream(there, LIMIT_S))
        assert exactly(server, len(HELLO)) == HELLO
        own.shutdown(socket.SHUT_WR)
        assert exactly(client, 1 << 10) == declined


def test_an_answer_is_late_although_more_of_it_is_there() -> None:
    here, there = socket.socketpair()
    with here, there:
        there.sendall(b"more")
        late = Stream(here, 0.0)
        late.wait_anew()
        with refusal(DeviceError, "it took longer than allowed", 8):
            late.read(4)
        assert Stream(here, None).read(4) == b"more"
