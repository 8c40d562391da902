"""An object in a child process that stays: its imports are paid once, and its death is an error.

Calls and answers are lines of JSON. The child lives in a session of its own, so that an interrupt
at the terminal leaves it alone; it ends, with what it started, when its parent closes it, dies, or
a call takes too long.
"""

from __future__ import annotations

import faulthandler
import json
import os
import select
import subprocess
import sys
import tempfile
import time
import traceback
from types import TracebackType
from typing import IO, Any

from delrec_compile.errors import CompilerCrash, DelrecError
from delrec_compile.system.home import settle_home
from delrec_compile.system.process import (
    Group,
    crash_message,
    end_with_parent,
    error_answer,
    limit_s,
    refuse_full,
    resolve,
    timeout_message,
    value_of,
)

TIMEOUT_S = 900.0
GRACE_S = 5.0  # by which a child that hangs ends itself later than its parent would end it
BOOT = """
import json, sys
work = json.loads(sys.stdin.buffer.readline())
sys.path[:] = work["path"]
from delrec_compile.system.worker import main
main(sys.argv[1], work)
"""


class Worker:
    """`Worker("module:Class", **arguments)`: methods of that class by `call`.

    The child starts with the first call, and again with the first one after its death. Closes as a
    context manager.
    """

    def __init__(self, factory: str, **arguments: Any) -> None:
        self.work = {"factory": factory, "arguments": arguments, "path": sys.path}
        self._group: Group | None = None
        self._log: IO[bytes] | None = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def call(self, method: str, *, timeout_s: float | None = None, **arguments: Any) -> Any:
        """Errors of this package come back as themselves. Raises CompilerCrash when the child dies.

        timeout_s: by default $DELREC_TIMEOUT, or 15 minutes.
        """
        limit = limit_s(TIMEOUT_S) if timeout_s is None else timeout_s
        process = (self._group or self._start()).process
        line = {"method": method, "arguments": arguments, "timeout_s": limit + GRACE_S}
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(line).encode() + b"\n")
            process.stdin.flush()
            raw = self._answer(process, limit, method)
        except BrokenPipeError:
            raw = b""
        except BaseException:
            self.close()
            raise
        if not raw:
            raise self._crash(process, method)
        return value_of(json.loads(raw))

    def close(self) -> None:
        """Ends the child and the processes that it started."""
        group, self._group = self._group, None
        if group is not None:
            group.end()
        if self._log is not None:
            self._log.close()
            self._log = None

    def _start(self) -> Group:
        settle_home()
        self._log = tempfile.TemporaryFile(prefix="delrec-")  # noqa: SIM115
        pipe = subprocess.PIPE
        self._group = Group(BOOT, stdin=pipe, stdout=pipe, stderr=self._log)
        stdin = self._group.process.stdin
        assert stdin is not None
        stdin.write(json.dumps(self.work).encode() + b"\n")
        return self._group

    def _answer(self, process: subprocess.Popen[bytes], timeout_s: float, method: str) -> bytes:
        """One line; empty when the child died. Raises CompilerCrash when it takes too long."""
        assert process.stdout is not None
        fd, end, raw = process.stdout.fileno(), time.monotonic() + timeout_s, b""
        while not raw.endswith(b"\n"):
            left = end - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise CompilerCrash(timeout_message(method, timeout_s, self._logged()))
            part = os.read(fd, 1 << 16)
            if not part:
                return b""
            raw += part
        return raw

    def _crash(self, process: subprocess.Popen[bytes], method: str) -> CompilerCrash:
        """The error of a child that died. Raises InputError when a disk is full."""
        code, text = process.wait(), self._logged()
        self.close()
        refuse_full(text)
        return CompilerCrash(crash_message(method, code, text))

    def _logged(self) -> str:
        assert self._log is not None
        self._log.seek(0)
        return self._log.read().decode(errors="replace")


def main(pipe: str, work: dict[str, Any]) -> None:
    """The child's side: one answer per line, until there is no parent any more."""
    end_with_parent(int(pipe))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # compilers print to stdout, which carries the answers
    instance: Any = None
    for raw in sys.stdin.buffer:
        request = json.loads(raw)
        faulthandler.dump_traceback_later(request["timeout_s"], exit=True)
        try:
            if instance is None:
                instance = resolve(work["factory"])(**work["arguments"])
            answer = {"value": getattr(instance, request["method"])(**request["arguments"])}
        except DelrecError as error:
            answer = error_answer(error)
        except Exception as error:
            traceback.print_exc()
            last = (str(error).strip().splitlines() or ["no message"])[-1]
            text = f"{request['method']} failed: {type(error).__name__}: {last}"
            answer = error_answer(CompilerCrash(text))
        faulthandler.cancel_dump_traceback_later()
        try:
            answers.write(json.dumps(answer).encode() + b"\n")
            answers.flush()
        except BrokenPipeError:
            return
