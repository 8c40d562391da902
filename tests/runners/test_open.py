"""The runner of each kind of artifact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fixtures.manifests import typed
from helpers import refusal

from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import InputError
from delrec_compile.network.taker import Taker
from delrec_compile.runners import gpu, open
from delrec_compile.runners.emulated import board, core
from delrec_compile.runners.open import OpenedModel, artifact_runner, emulated_runner
from delrec_compile.runners.runner import KernelRunner, Trace


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of each runner its name."""
    for module, runner in (
        (gpu, "GpuSession"),
        (open, "Session"),
        (board, "BoardRunner"),
        (core, "EmulatedRunner"),
    ):
        monkeypatch.setattr(module, runner, lambda _, name=runner: name)


@pytest.mark.parametrize(
    ("changed", "runner"),
    [
        ({"form": "cuda", "library": "lib/x.so"}, "GpuSession"),
        ({}, "Session"),
        ({"machine": "cortex_m4", "core": "cortex_m4"}, "EmulatedRunner"),
        ({"machine": "cortex_m55", "core": "cortex_m55"}, "BoardRunner"),
    ],
)
def test_native_code_runs_here_and_other_code_in_an_emulator(
    changed: dict[str, str], runner: str, tmp_path: Path
) -> None:
    artifact = Artifact(tmp_path, typed(**changed))
    assert artifact_runner(artifact) == runner
    if artifact.manifest.core:
        assert emulated_runner(artifact) == runner


def test_code_that_runs_nowhere_here_is_refused(tmp_path: Path) -> None:
    with refusal(InputError, "is built for pdp11 and has no program for an emulator", 3):
        artifact_runner(Artifact(tmp_path, typed(machine="pdp11")))


def test_an_opened_model_runs_one_kernel() -> None:
    class Checked(KernelRunner):
        name = "checked"

        def trace_once(self, x: np.ndarray) -> Trace:
            return Trace(x, ())

        def outputs_of(self, x: np.ndarray) -> np.ndarray:
            raise AssertionError("the kernel without trace ran too")

    class Plain:
        name = "plain"

        def trace(self, x: np.ndarray) -> Trace:
            return Trace(x + 1, ())

    x = np.ones((2, 1, 3), np.float32)
    for runner, y in ((Checked(), 1), (Plain(), 2)):
        assert (OpenedModel(runner, Taker(3, 2, 10.0), "sum").trace(x).y == y).all()
