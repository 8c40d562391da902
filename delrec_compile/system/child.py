"""Calls a function in a child process: a compiler or a compiled kernel may die, the command not."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from delrec_compile.errors import CompilerCrash, DelrecError
from delrec_compile.system.folders import work_folder
from delrec_compile.system.home import settle_home
from delrec_compile.system.process import (
    TMP,
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
LOGGER = logging.getLogger(__name__)
# the child imports from where its parent does: a file of the working folder shadows nothing
# threads of libraries that wait for others sleep: spinning costs more CPU time than small networks
PATIENT = {"OMP_WAIT_POLICY": "passive"}
BOOT = """
import json, sys
sys.path[:] = json.load(open(sys.argv[2]))["path"]
from delrec_compile.system.child import main
main(*sys.argv[1:])
"""


def call(
    function: str,
    *,
    timeout_s: float | None = None,
    environment: Mapping[str, str] | None = None,
    **arguments: Any,
) -> Any:
    """Calls `module:function(**arguments)` in a fresh interpreter; arguments and result are JSON.

    timeout_s: by default $DELREC_TIMEOUT, or 15 minutes. environment: variables that a library reads
    before any code of the function runs.
    The child and what it starts end with this call, also where this process is killed; its
    temporary files are removed. Errors of this package come back as themselves. Raises CompilerCrash
    when the child dies or hangs, with the last line it printed and the log's place; InputError when
    a disk is full.
    """
    settle_home()
    LOGGER.debug("a process of its own: %s", function)
    limit = limit_s(TIMEOUT_S) if timeout_s is None else timeout_s
    with work_folder() as folder:
        task, result, temporary = (folder / n for n in ("task.json", "result.json", "tmp"))
        temporary.mkdir()
        work = {"function": function, "arguments": arguments, "path": sys.path}
        task.write_text(json.dumps(work))
        own = {**PATIENT, **os.environ, TMP: str(folder.parent), "TMPDIR": str(temporary)}
        own |= dict(environment or {})
        code, output, errors = _run([str(task), str(result)], own, function, limit)
        if not result.exists():
            refuse_full(errors)
            raise CompilerCrash(crash_message(function, code, errors, output))
        answer = json.loads(result.read_text())
    return value_of(answer)


def _run(
    arguments: list[str], environment: Mapping[str, str], function: str, limit: float
) -> tuple[int, str, str]:
    """The return code and output of a child. Raises CompilerCrash when it takes too long."""
    pipe, no_input = subprocess.PIPE, subprocess.DEVNULL
    group = Group(BOOT, *arguments, env=environment, stdin=no_input, stdout=pipe, stderr=pipe)
    try:
        output, errors = group.process.communicate(timeout=limit)
        return group.process.returncode, _text(output), _text(errors)
    except subprocess.TimeoutExpired as late:
        text = _text(late.output) + _text(late.stderr)
        raise CompilerCrash(timeout_message(function, limit, text)) from late
    finally:
        group.end()


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode(errors="replace")


def main(pipe: str, task_path: str, result_path: str) -> None:
    """The child's side."""
    end_with_parent(int(pipe))
    result = Path(result_path)
    work = json.loads(Path(task_path).read_text())
    try:
        answer = {"value": resolve(work["function"])(**work["arguments"])}
    except DelrecError as error:
        answer = error_answer(error)
    temporary = result.with_suffix(".part")
    temporary.write_text(json.dumps(answer))
    temporary.replace(result)
