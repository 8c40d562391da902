"""What a program is asked to time."""

from __future__ import annotations

import numpy as np
import pytest

from delrec_compile.runners.devices.program_runner import ProgramRunner
from delrec_compile.runners.devices.wire import HEAD, Answer, Shape

X = np.zeros((5, 4, 3))


class Recorder(ProgramRunner):
    """A program that takes 2,000 ns per step in every slice, and keeps the heads of its requests."""

    def __init__(self) -> None:
        self.shape = Shape(3, 2, (4,), "uint8")
        self.heads: list[tuple[int, ...]] = []

    def answer(self, request: bytes) -> Answer:
        self.heads.append(HEAD.unpack_from(request))
        timed = self.heads[-1][4]
        return Answer(np.zeros((0, 4, 2), np.float32), np.zeros((0, 4, 4), np.uint8), [2e3] * timed)


@pytest.mark.parametrize(("slices", "timed"), [(None, 5), (1, 1)])
def test_slices_are_as_many_as_samples_or_as_are_asked_for(slices: int | None, timed: int) -> None:
    runner = Recorder()
    assert runner.times(X, piece=2, slices=slices) == [2.0] * timed
    _, samples, steps, traced, sent, _, _, piece = runner.heads[0]
    assert (samples, steps, traced, sent, piece) == (5, 4, 0, timed, 2)
