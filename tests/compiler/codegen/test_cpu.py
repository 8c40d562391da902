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
    delays: Any = {"taps": "planes", "synapses": "push", "silent": "subtracted"}
    steps = {**delays, "bytes": "biased", "leak": "halves", "line": "history"}
    steps |= {"chunk": 32, "tile": 8}
    assert pick(target, "x86-64-v2")[1] == Schedule(4, 8, "movemask", **delays)
    assert pick(target, "x86-64-v3")[1] == Schedule(8, 8, "movemask", "joined", **steps)
    llvm, schedule = pick(target, "znver4")
    sequences = {"tile": 16, "together": 2, "sums": "changes", "ahead": 1}
    assert schedule == Schedule(16, 16, "words", "joined", **{**steps, **sequences})
    # a CPU needs no feature for what is only fast
    assert llvm["mattr"] == ["-prefer-256-bit", "+fast-dpwssd"]
    assert pick(target, "icelake-client")[1].rows == "joined"
    assert pick(target)[0]["mcpu"] not in ("host", "native", "generic")


def test_an_unknown_cpu_is_refused() -> None:
    with pytest.raises(UnsupportedError) as e:
        pick(targets.load("x86_64"), "x86-64-v33")
    assert "unknown CPU 'x86-64-v33' for target 'x86_64'; did you mean 'x86-64-v3'?" in str(e.value)


def test_a_cpu_that_no_schedule_fits_is_refused() -> None:
    target = targets.load("x86_64")
    unfit = replace(target, schedules=(targets.Choice(("no-such-feature",), (), Schedule()),))
    with pytest.raises(UnsupportedError, match="target 'x86_64' needs no-such-feature, which"):
        pick(unfit)


@pytest.mark.parametrize(
    ("target", "cpu", "missing", "fitting"),
    [
        ("arm_cpu_v7", "arm1176jzf-s", "neon", "arm_cpu_v6"),
        ("arm_cpu_v7", "arm926ej-s", "neon", "no target is for that CPU"),
        ("arm_cpu_v6", "arm926ej-s", "v6, vfp2", "no target is for that CPU"),
        ("arm_cpu_v7", "cortex-m4", "neon", "cortex_m4"),
        ("x86_64", "i686", "64bit", "no target is for that CPU"),
        ("cortex_m4", "cortex-m3", "", "cortex_m3"),
    ],
)
def test_a_cpu_below_the_target_is_refused(
    target: str, cpu: str, missing: str, fitting: str
) -> None:
    profile = targets.load(target)
    with pytest.raises(UnsupportedError, match=fitting) as caught:
        pick(profile, cpu)
    assert missing in str(caught.value)


def test_flags_that_the_cpu_has_not_are_refused() -> None:
    """Flags of a profile would else switch on what the CPU lacks."""
    profile = targets.load("arm_cpu_v7")
    forced = replace(profile, llvm={**profile.llvm, "mattr": ["+vfp4"]})
    assert pick(forced)[0]["mattr"] == ["+vfp4"]
    with pytest.raises(UnsupportedError, match="needs vfp4, which the CPU 'cortex-a9' has not"):
        pick(forced, "cortex-a9")
