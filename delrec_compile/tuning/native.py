"""What a candidate of `tune` costs in this process: its thread's CPU time, in two forms of call."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.artifact.abi import HOISTED_FROM
from delrec_compile.compiler.schedules.record import Costs
from delrec_compile.runners.session import Session

FEW = HOISTED_FROM - 1  # steps per call of `step`, of which none is hoisted
STEPS, SEQUENCE = "steps", "sequence"
ROUND_S = 0.001


def times(session: Session, samples: Sequence[F32]) -> Costs:
    """Microseconds of this thread's CPU time per step, by form.

    samples: of one length. The first is run once, uncounted; then the others, in turn with it:
    branches that know a sample do not know the next.
    """
    own = [np.ascontiguousarray(x, session.x.dtype) for x in samples]
    y = np.empty((len(own[0]), session.y.shape[1]), np.float32)
    few = [_few(session, x, y) for x in own]

    def steps(k: int) -> None:
        for call in few[k]:
            call()

    forms: dict[str, Callable[[int], object]] = {
        STEPS: steps,
        SEQUENCE: lambda k: session.run_in_place(own[k], y),
    }
    return {form: _time(session, run, len(own)) / len(y) for form, run in forms.items()}


def _time(session: Session, run: Callable[[int], object], samples: int) -> float:
    session.reset()
    run(0)
    done, start = 0, time.thread_time_ns()
    while time.thread_time_ns() - start < ROUND_S * 1e9:
        done += 1
        run(done % samples)
    return (time.thread_time_ns() - start) / done / 1e3


def _few(session: Session, x: NDArray[Any], y: F32) -> list[Callable[[], int]]:
    """Calls that go through a sample together; its length is a multiple of FEW."""
    return session.bind(x.reshape(-1, FEW, x.shape[1]), y.reshape(-1, FEW, y.shape[1]))


def in_steps(session: Session, x: F32) -> F32:
    """Outputs of x (T, inputs) in FEW steps per call, from a fresh state."""
    own = np.ascontiguousarray(x, session.x.dtype)
    y = np.empty((len(x), session.y.shape[1]), np.float32)
    session.reset()
    for call in _few(session, own, y):
        call()
    return y
