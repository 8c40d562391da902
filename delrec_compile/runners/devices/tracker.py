"""A client of TVM's tracker, which believes nothing: answers have a largest size, a time and a form.

Protocol: `tvm/rpc/tracker.py`. A magic number each way, then messages of JSON, each behind its length.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from types import TracebackType
from typing import Any

from delrec_compile.errors import DeviceError

MAGIC = 0x2F271
SUCCESS, REQUEST, SUMMARY = 0, 4, 6  # codes of messages
LENGTH = struct.Struct("<i")
LARGEST = 1 << 20  # bytes of an answer: some ten thousand machines
LONGEST = 255  # characters of a name
CONNECT_S = 10.0
LATE = "no machine was free, or it did not answer in time; see ?timeout="


class Tracker:
    """A connection. label: the tracker's name in messages. Closes as a context manager."""

    def __init__(self, label: str, host: str, port: int, connect_s: float = CONNECT_S) -> None:
        self.label = label
        try:
            self.socket = socket.create_connection((host, port), timeout=connect_s)
        except OSError as error:
            why = error.strerror or str(error) or "no answer"
            start = "start one there with 'delrec-compile devices tracker'"
            raise DeviceError(f"{label} cannot be reached: {why}; {start}") from error
        try:
            self.socket.sendall(LENGTH.pack(MAGIC))
            if self._read(LENGTH.size, time.monotonic() + connect_s) != LENGTH.pack(MAGIC):
                raise self._strange("it answers in another protocol")
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self) -> Tracker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.socket.close()

    def summary(self) -> dict[str, Any]:
        """`server_info`: a list of `key` and `addr`; `queue_info`: key -> `free`, `pending`."""
        told = self._ask([SUMMARY], CONNECT_S)
        try:
            servers = [{"key": _name(s["key"]), "addr": s["addr"]} for s in told["server_info"]]
            queues = {
                _name(key): {name: int(own[name]) for name in ("free", "pending")}
                for key, own in told["queue_info"].items()
            }
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
            raise self._strange("its summary has another form") from error
        return {"server_info": servers, "queue_info": queues}

    def request(self, key: str, timeout_s: float) -> tuple[str, int, str]:
        """Host, port and match key of a free machine, once there is one. Raises DeviceError."""
        told = self._ask([REQUEST, key, "", 1], timeout_s)
        try:
            host, port, match = told
            if not 0 < int(port) < 1 << 16:
                raise ValueError
            return _name(host), int(port), _name(match)
        except (TypeError, ValueError, OverflowError) as error:
            raise self._strange("it names no machine") from error

    def _ask(self, message: list[Any], seconds: float) -> Any:
        """The value of an answer that says SUCCESS."""
        end, text = time.monotonic() + seconds, json.dumps(message).encode()
        try:
            self.socket.sendall(LENGTH.pack(len(text)) + text)
        except OSError as error:
            raise DeviceError(f"{self.label}: the connection was closed") from error
        (size,) = LENGTH.unpack(self._read(LENGTH.size, end))
        if not 0 <= size <= LARGEST:
            raise self._strange(f"it sends {size:,} bytes; up to {LARGEST:,} are read")
        try:
            code, value = json.loads(self._read(size, end))
        except (ValueError, TypeError, RecursionError) as error:
            raise self._strange("its answer is not a pair in JSON") from error
        if code != SUCCESS:
            raise self._strange("it refuses")
        return value

    def _read(self, size: int, end: float) -> bytes:
        """Exactly so many bytes, until then. Raises DeviceError."""
        out = bytearray()
        while len(out) < size:
            left = end - time.monotonic()
            try:
                if left <= 0:
                    raise TimeoutError
                self.socket.settimeout(left)
                part = self.socket.recv(size - len(out))
            except TimeoutError as error:
                raise DeviceError(f"{self.label}: {LATE}") from error
            except OSError as error:
                raise DeviceError(f"{self.label}: {error.strerror or error}") from error
            if not part:
                raise self._strange("it closed the connection")
            out += part
        return bytes(out)

    def _strange(self, why: str) -> DeviceError:
        return DeviceError(f"{self.label} is not a TVM tracker: {why}")


def _name(value: object) -> str:
    """A name that fits a line. Raises ValueError."""
    if not isinstance(value, str) or len(value) > LONGEST or not value.isprintable():
        raise ValueError("no name")
    return value
