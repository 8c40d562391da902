"""Shared parts of the child processes: how one ended, and its answer."""

from __future__ import annotations

import importlib
import os
import signal
import tempfile
from typing import Any

from delrec_compile import errors
from delrec_compile.errors import DelrecError


def ending(code: int) -> str:
    """A process's return code in words: `signal SIGSEGV` or `exit code 1`."""
    if code >= 0:
        return f"exit code {code}"
    names = {int(s): s.name for s in signal.Signals}
    return f"signal {names.get(-code, -code)}"


def crash_message(function: str, code: int, stderr: str, stdout: str = "") -> str:
    """One line about a process that died: how, the last line it printed, the place of its log."""
    handle, log = tempfile.mkstemp(prefix="delrec-crash-", suffix=".log")
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(stdout + stderr)
    last = (stderr.strip().splitlines() or ["no message"])[-1]
    return f"the process of {function} died with {ending(code)} ({last}); its log: {log}"


def resolve(name: str) -> Any:
    """The object of a `module:name` string."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def error_answer(error: DelrecError) -> dict[str, Any]:
    """The answer of a child whose call raised an error of this package."""
    return {"error": type(error).__name__, "message": str(error)}


def value_of(answer: dict[str, Any]) -> Any:
    """The value of a child's answer. Raises the error that it holds."""
    if "error" in answer:
        raise getattr(errors, answer["error"], DelrecError)(answer["message"])
    return answer["value"]
