"""The command line as a user runs it: a process, its exit code, and its words."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SECONDS = 300
Words = list[str | Path]
COMMAND = (sys.executable, "-m", "delrec_compile")


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def is_refusal(self) -> bool:
        """A documented exit code and one line of error, without a traceback."""
        lines = [line for line in self.err.splitlines() if line.startswith("error")]
        return 1 < self.code < 10 and len(lines) == 1 and "Traceback" not in self.err


def environment(changed: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """This process's variables, one thread, and the changes; None takes a variable away."""
    path = os.pathsep.join(p for p in sys.path if p and Path(p).is_dir())
    # the command may run in another folder, and finds what this process does
    values = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, **(changed or {})}
    return {k: v for k, v in values.items() if v is not None}


def run(
    *words: str | Path,
    cwd: Path,
    changed: Mapping[str, str | None] | None = None,
    before: Sequence[str] = (),
    seconds: float = SECONDS,
) -> Done:
    """The command with these words. before: a command that starts it, as `setpriv ...`."""
    done = subprocess.run(
        [*before, *COMMAND, *map(str, words)],
        cwd=cwd,
        env=environment(changed),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)
