"""A tracker that lies, floods, hangs or ends: one line, soon, and nothing of it is believed."""

from __future__ import annotations

import json
import socket
import struct
import time

import pytest
from fixtures import hostile
from fixtures.hostile import peer, raw, summary, telling
from fixtures.remote import free_port
from helpers import refusal

from delrec_compile.errors import DeviceError
from delrec_compile.runners.devices.rpc import Key, keys
from delrec_compile.runners.devices.tracker import LARGEST, Tracker


def framed(text: str) -> bytes:
    return struct.pack("<i", len(text)) + text.encode()


def test_what_a_tracker_tells() -> None:
    with peer(telling(summary())) as port:
        assert keys("127.0.0.1", port) == [Key("box", 1, 1, 0)]
    machine = ["host", 9090, "server:box:0.5"]
    with peer(telling(machine)) as port, Tracker("t", "127.0.0.1", port) as tracker:
        assert tracker.request("box", 5) == tuple(machine)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", "it closed the connection"),
        (b"\x05\x00", "it closed the connection"),
        (framed("[0, {}]")[:-2], "it closed the connection"),
        (struct.pack("<i", -1), "it sends -1 bytes"),
        (struct.pack("<i", 1 << 30), "it sends 1,073,741,824 bytes; up to 1,048,576 are read"),
        (b"\xff" * (LARGEST * 2), "it sends -1 bytes"),
        (framed("no JSON"), "not a pair in JSON"),
        (framed("[" * 100_000), "not a pair in JSON"),
        (framed("7"), "not a pair in JSON"),
        (framed("[-1, null]"), "it refuses"),
        (framed("[0, null]"), "its summary has another form"),
        (framed('[0, {"server_info": [{}], "queue_info": {}}]'), "another form"),
        (framed(json.dumps([0, summary("\x1b]0;OWNED\x07")])), "another form"),
        (framed(json.dumps([0, summary("k" * 5000)])), "another form"),
        (framed('[0, {"server_info": [], "queue_info": {"a": {"free": 1e999}}}]'), "another form"),
    ],
)
def test_a_strange_answer_is_one_line(answer: bytes, message: str) -> None:
    with peer(raw(answer)) as port, refusal(DeviceError, f"tracker 127.*{message}", 8):
        keys("127.0.0.1", port)


@pytest.mark.parametrize(
    "told",
    [None, [], ["h", 0, "m"], ["h", 1 << 16, "m"], [7, 1, "m"], ["h", 1, "\n"], ["h", "x", ""]],
)
def test_a_machine_that_is_none(told: object) -> None:
    refused = refusal(DeviceError, "t is not a TVM tracker: it names no machine", 8)
    with peer(telling(told)) as port, Tracker("t", "127.0.0.1", port) as tracker, refused:
        tracker.request("box", 5)


def test_who_is_no_tracker() -> None:
    with refusal(DeviceError, "cannot be reached: Connection refused; start one there", 8):
        Tracker("t", "127.0.0.1", free_port())
    refused = refusal(DeviceError, "t is not a TVM tracker: it answers in another protocol", 8)
    with peer(lambda client: client.sendall(b"HTTP/1.1 400 Bad Request\r\n")) as port, refused:
        Tracker("t", "127.0.0.1", port)
    refused = refusal(DeviceError, "t: no machine was free, or it did not answer in time", 8)
    with peer(hostile.until_it_ends) as port, refused:
        Tracker("t", "127.0.0.1", port, connect_s=0.2)


def test_one_that_answers_by_drops_is_left() -> None:
    """A byte now and then does not lengthen the time that an answer has."""

    def drops(client: socket.socket) -> None:
        client.sendall(hostile.TRACKER_MAGIC + struct.pack("<i", 1000))
        for _ in range(100):
            client.sendall(b" ")
            time.sleep(0.05)

    with peer(drops) as port, Tracker("t", "127.0.0.1", port) as tracker:
        started = time.monotonic()
        with refusal(DeviceError, "did not answer in time", 8):
            tracker.request("box", 0.3)
        assert time.monotonic() - started < 2


def test_an_answer_is_late_although_more_of_it_is_there() -> None:
    told = framed(json.dumps([0, ["host", 9090, "box"]]))
    refused = refusal(DeviceError, "t: no machine was free, or it did not answer in time", 8)
    with peer(raw(told)) as port, Tracker("t", "127.0.0.1", port) as tracker, refused:
        tracker.request("box", -1)


def test_a_connection_that_is_closed_is_one_line() -> None:

    def silent(client: socket.socket) -> None:
        client.sendall(hostile.TRACKER_MAGIC)
        hostile.until_it_ends(client)

    with peer(silent) as port, Tracker("t", "127.0.0.1", port) as tracker:
        tracker.socket.shutdown(socket.SHUT_WR)
        with refusal(DeviceError, "^t: the connection was closed$", 8):
            tracker.summary()
