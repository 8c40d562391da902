"""A process that dies is one line."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import refusal

from delrec_compile.errors import CompilerCrash
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
