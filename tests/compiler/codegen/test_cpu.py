"""The LLVM target and the schedule follow the CPU; unknown CPUs are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from delrec_compile import targets
from delrec_compile.compiler.codegen.cpu import pick
from delrec_compile.errors import UnsupportedError
from delrec_compile.targets.schedule import Schedule


def test_the_schedule_follows_the_cpu() -> None:
    target = targets.load("x86_64")
    steps: Any = {"taps": "planes", "chunk": 32, "tile": 8}
    assert pick(target, "x86-64-v2")[1] == Schedule(4, 8, "movemask", taps="planes")
    assert pick(target, "x86-64-v3")[1] == Schedule(8, 8, "movemask", "pairs", **steps)
    llvm, schedule = pick(target, "znver4")
    assert (schedule, llvm["mattr"]) == (
        Schedule(16, 8, "compress", "pairs", **steps),
        ["-prefer-256-bit"],
    )
    assert pick(target, "icelake-client")[1].rows == "pairs"
    assert pick(target)[0]["mcpu"] not in ("host", "native", "generic")


def test_an_unknown_cpu_is_refused() -> None:
    with pytest.raises(UnsupportedError) as e:
        pick(targets.load("x86_64"), "x86-64-v33")
    assert "unknown CPU 'x86-64-v33' for target 'x86_64'; did you mean 'x86-64-v3'?" in str(e.value)


def test_a_cpu_that_no_schedule_fits_is_refused() -> None:
    target = targets.load("x86_64")
    unfit = replace(target, schedules=(targets.Choice(("no-such-feature",), (), Schedule()),))
    with pytest.raises(UnsupportedError, match="no schedule of target 'x86_64' fits"):
        pick(unfit)
