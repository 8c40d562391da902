"""Calls a function in a child process: a compiler or a compiled kernel may die, the command not."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from delrec_compile import errors
from delrec_compile.errors import CompilerCrash, DelrecError

TIMEOUT_S = 900.0
# the child imports from where its parent does: a file of the working folder shadows nothing
BOOT = """
import json, sys
sys.path[:] = json.load(open(sys.argv[1]))["path"]
from delrec_compile.system.child import main
main(sys.argv[1], sys.argv[2])
"""


def call(
    function: str,
    *,
    timeout_s: float = TIMEOUT_S,
    environment: Mapping[str, str] | None = None,
    **arguments: Any,
) -> Any:
    """Calls `module:function(**arguments)` in a fresh interpreter; arguments and result are JSON.

    environment: variables that a library reads before any code of the function runs.
    Errors of this package come back as themselves. Raises CompilerCrash when the child dies or
    hangs, with the last line it printed and the log's place.
    """
    with tempfile.TemporaryDirectory(prefix="delrec-") as folder:
        task, result = Path(folder) / "task.json", Path(folder) / "result.json"
        work = {"function": function, "arguments": arguments, "path": sys.path}
        task.write_text(json.dumps(work))
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-c", BOOT, str(task), str(result)],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **(environment or {})},
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CompilerCrash(
                f"{function} took more than {timeout_s:.0f} s and was ended"
            ) from error
        if not result.exists():
            raise CompilerCrash(_epitaph(function, done))
        answer = json.loads(result.read_text())
    if "error" in answer:
        raise getattr(errors, answer["error"], DelrecError)(answer["message"])
    return answer["value"]


def _epitaph(function: str, done: subprocess.CompletedProcess[str]) -> str:
    handle, log = tempfile.mkstemp(prefix="delrec-crash-", suffix=".log")
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(done.stdout + done.stderr)
    code = done.returncode
    names = {int(s): s.name for s in signal.Signals}
    how = f"signal {names.get(-code, -code)}" if code < 0 else f"exit code {code}"
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return f"the process of {function} died with {how} ({last}); its log: {log}"


def main(task_path: str, result_path: str) -> None:
    """The child's side."""
    result = Path(result_path)
    work = json.loads(Path(task_path).read_text())
    module, name = work["function"].split(":")
    try:
        value = getattr(importlib.import_module(module), name)(**work["arguments"])
        answer = {"value": value}
    except DelrecError as error:
        answer = {"error": type(error).__name__, "message": str(error)}
    temporary = result.with_suffix(".part")
    temporary.write_text(json.dumps(answer))
    temporary.replace(result)
