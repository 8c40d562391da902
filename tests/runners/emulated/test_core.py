"""Networks on an emulated core: kernels that agree, or say so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cases
import numpy as np
import pytest
from fixtures.staged import artifact_here
from helpers import refusal

from delrec_compile.errors import DeviceError, ParityError
from delrec_compile.runners.emulated.core import EmulatedRunner
from delrec_compile.runners.emulated.machine import Call


def test_kernels_that_differ_are_a_parity_error(tmp_path: Path) -> None:
    artifact = artifact_here(cases.network("mixed"), "cortex_m4", tmp_path)
    runner = EmulatedRunner(artifact)
    at = runner.program.address(f"{runner.prefix}_out_bias")
    # as if one of the two had another table
    runner.program._uc.mem_write(at, np.float32(3).tobytes())  # type: ignore[attr-defined]
    with refusal(ParityError, "the tracing kernel and the kernel without trace compute", 6):
        runner.trace(cases.counts(cases.CASES["mixed"], steps=3))


def test_more_stack_than_the_manifest_says_is_an_error(tmp_path: Path) -> None:
    artifact = artifact_here(cases.network("mixed"), "cortex_m4", tmp_path)
    x = cases.counts(cases.CASES["mixed"], steps=3)
    runner = EmulatedRunner(artifact)
    runner.outputs_of(x)
    assert 0 < runner.stack_bytes <= artifact.manifest.stack_bytes <= 4096
    runner.bound = runner.stack_bytes - 1
    with refusal(DeviceError, r"a step took \d+ bytes of stack, over the \d+ that the manifest", 8):
        runner.outputs_of(x)


def test_a_step_that_refuses_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = artifact_here(cases.network("conv3"), "cortex_m0plus", tmp_path)
    runner = EmulatedRunner(artifact)
    call = runner.program.call

    def refused(symbol: str, *arguments: int) -> Call:
        done = call(symbol, *arguments)
        return replace(done, result=-2) if symbol.endswith("_run") else done

    monkeypatch.setattr(runner.program, "call", refused)
    with refusal(DeviceError, "run returned -2 in the emulator", 8):
        runner.outputs_of(cases.counts(cases.CASES["conv3"], steps=3))
    assert runner.instructions == []


@pytest.mark.parametrize("target", ["cortex_m4", "arm_cpu"])
def test_one_step_of_many_is_counted(target: str, tmp_path: Path) -> None:
    """A program of its own for the trace, and one library for both."""
    artifact = artifact_here(cases.network("mixed"), target, tmp_path)
    x = cases.counts(cases.CASES["mixed"], batch=2, steps=5)
    runner = EmulatedRunner(artifact)
    whole = runner.trace(x)
    counted = list(runner.instructions)
    assert len(counted) == 10
    runner.instructions.clear()
    pace = runner.pace(x[:, :1])
    assert pace.plain > 0
    assert runner.instructions == []
    runner.every = 3
    again = runner.trace(x)
    assert runner.instructions == [counted[i] for i in (0, 3, 5, 8)]
    np.testing.assert_array_equal(again.y, whole.y)
