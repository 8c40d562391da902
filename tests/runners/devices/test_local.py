"""This machine as a device."""

from __future__ import annotations

from collections.abc import Callable

import cases
import numpy as np
import pytest
from helpers import refusal

from delrec_compile.errors import CompilerCrash
from delrec_compile.runners.devices.local import LocalRunner
from delrec_compile.runners.devices.url import LOCAL
from delrec_compile.runners.session import Session
from delrec_compile.runners.torch_runner import TorchRunner


@pytest.fixture(scope="module")
def runner(compiled: Callable[..., Session]) -> LocalRunner:
    return LocalRunner(compiled(cases.network("mixed")).artifact, LOCAL)


def test_the_bits_of_torch_in_a_process(runner: LocalRunner) -> None:
    x = cases.counts(cases.CASES["mixed"], steps=20)
    want, got = TorchRunner(cases.network("mixed")).trace(x), runner.trace(x)
    np.testing.assert_array_equal(got.y, want.y)
    for have, wanted in zip(got.spikes, want.spikes, strict=True):
        np.testing.assert_array_equal(have, wanted)


def test_real_values_reach_the_process(compiled: Callable[..., Session]) -> None:
    network, x = cases.network("real"), cases.counts(cases.CASES["real"], batch=2, steps=30)
    got = LocalRunner(compiled(network).artifact, LOCAL).trace(x)
    np.testing.assert_array_equal(got.y, TorchRunner(network).trace(x).y)


def test_every_sample_is_timed(runner: LocalRunner) -> None:
    x = cases.counts(cases.CASES["mixed"], steps=20).transpose(1, 0, 2)
    for piece in (0, 1):
        times = runner.times(x, piece)
        assert len(times) == len(x)
        assert all(0 < t < 1e5 for t in times)


def test_a_program_that_dies_is_a_crash(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "program", b"#!/bin/sh\nexit 3\n")
    with refusal(CompilerCrash, "the program of the artifact exited with 3", 9):
        runner.times(cases.counts(cases.CASES["mixed"], steps=2).transpose(1, 0, 2))


def test_a_program_that_hangs_is_stopped(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "program", b"#!/bin/sh\nsleep 60\n")
    monkeypatch.setenv("DELREC_TIMEOUT", "0.5")
    with refusal(CompilerCrash, "the program of the artifact took more than 0.5 s", 9):
        runner.times(cases.counts(cases.CASES["mixed"], steps=2).transpose(1, 0, 2))
