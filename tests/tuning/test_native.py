"""Costs of a candidate in this process: two forms of call, one result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import cases
import numpy as np
import pytest
from fixtures.staged import artifact_here

from delrec_compile.aliases import F32
from delrec_compile.runners.session import Session
from delrec_compile.tuning import native
from delrec_compile.tuning.native import FEW, SEQUENCE, STEPS, in_steps, times


def test_both_forms_of_call_are_timed_and_agree(tmp_path: Path, children_here: None) -> None:
    network = cases.network("conv3")
    session = Session(artifact_here(network, "x86_64", tmp_path, unroll=FEW))
    x = cases.counts(cases.CASES["conv3"], batch=1, steps=4 * FEW)[:, 0]
    stepped = in_steps(session, x)
    session.reset()
    np.testing.assert_array_equal(stepped, session.run(x))
    costs = times(session, [x, x[::-1]])
    assert set(costs) == {STEPS, SEQUENCE}
    assert min(costs.values()) > 0


def test_a_slice_goes_through_distinct_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is run once, uncounted, then those after it, in turn with it."""
    seen: list[float] = []

    class Recorder:
        x = np.zeros((1, 1), np.float32)
        y = np.zeros((1, 1), np.float32)

        def reset(self) -> None:
            seen.append(-1)

        def bind(self, x: F32, y: F32) -> list[Callable[[], None]]:
            return [lambda: seen.append(float(x[0, 0, 0]))]

        def run_in_place(self, x: F32, y: F32) -> None:
            seen.append(float(x[0, 0]))

    clock = iter(range(0, 10**9, round(native.ROUND_S * 1e9 / 8)))
    monkeypatch.setattr(native.time, "thread_time_ns", lambda: next(clock))
    samples = [np.full((FEW, 1), k, np.float32) for k in (5, 6, 7)]
    times(cast(Session, Recorder()), samples)
    assert seen == [*(-1, 5, 6, 7, 5, 6, 7, 5, 6)] * 2
