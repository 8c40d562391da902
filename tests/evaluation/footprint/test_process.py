"""A process that dies is one line."""

from __future__ import annotations

import os
import subprocess

import numpy as np
import pytest
from helpers import refusal

from delrec_compile.errors import CompilerCrash
from delrec_compile.evaluation.footprint import process
from delrec_compile.evaluation.footprint.measure import Program
from delrec_compile.evaluation.footprint.process import run_program


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("kill -SEGV $$", "ended with signal SIGSEGV"),
        ("kill -ILL $$", "lacks an instruction"),
        ("echo no room >&2; exit 3", "ended with exit code 3: no room"),
        ("exec 0<&-; exit 0", "ended with exit code 0"),
    ],
)
def test_a_program_that_dies_is_one_line(script: str, message: str) -> None:
    program = Program("static", ("/bin/sh", "-c", script), outputs=4)
    with refusal(CompilerCrash, message, 9):
        run_program(program, np.zeros((5, 3), np.float32))


def test_a_program_that_dies_within_an_answer_is_one_line() -> None:
    """It takes a row of 3 numbers and sends 3 bytes of the 4 that are due first."""
    script = "head -c 12 >/dev/null; printf abc; echo halfway >&2; exit 4"
    program = Program("static", ("/bin/sh", "-c", script), outputs=4)
    with refusal(CompilerCrash, "ended with exit code 4: halfway", 9):
        run_program(program, np.zeros((5, 3), np.float32))


def test_memory_is_read_of_processes_that_live() -> None:
    assert process._resident(os.getpid()) > 1 << 20
    with subprocess.Popen(["true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(EOFError):
            process._resident(ended.pid)
