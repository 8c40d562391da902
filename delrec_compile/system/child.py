"""Calls a function in a child process: a compiler or a compiled kernel may die, the command not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from delrec_compile.errors import CompilerCrash, DelrecError
from delrec_compile.system.process import crash_message, error_answer, resolve, value_of

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
                f"{function} took more than {timeout_s:.0f} s and was stopped"
            ) from error
        if not result.exists():
            raise CompilerCrash(crash_message(function, done.returncode, done.stderr, done.stdout))
        answer = json.loads(result.read_text())
    return value_of(answer)


def main(task_path: str, result_path: str) -> None:
    """The child's side."""
    result = Path(result_path)
    work = json.loads(Path(task_path).read_text())
    try:
        answer = {"value": resolve(work["function"])(**work["arguments"])}
    except DelrecError as error:
        answer = error_answer(error)
    temporary = result.with_suffix(".part")
    temporary.write_text(json.dumps(answer))
    temporary.replace(result)
