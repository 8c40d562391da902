"""The refractory counter, step by step."""

from __future__ import annotations

import numpy as np

from delrec_compile.ops import refractory


def test_a_spike_starts_the_count_and_steps_end_it() -> None:
    left, steps = np.float32([0, 0, 3, 1, -1, np.nan, np.inf, 4]), np.float32(3)
    fires = np.array([True, False] + [False] * 6)
    busy = refractory.is_busy(left, steps)
    assert busy.tolist() == [False, False, True, True, False, False, False, False]
    after = refractory.count(left, steps, fires, np.where)
    assert after.tolist() == [3, 0, 2, 0, 0, 0, 0, 0]


def test_a_period_is_a_whole_number_of_steps() -> None:
    values = np.float32([0, 1, 4094, -1, 0.5, 4095])
    assert refractory.is_period(values).tolist() == [True] * 3 + [False] * 3
