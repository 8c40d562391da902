"""Constants of integer neurons."""

from __future__ import annotations

import numpy as np

from delrec_compile.ops.integer_constants import (
    LASTING,
    level_of,
    one_of,
    share,
    steps_of,
    whole,
)
from delrec_compile.ops.integer_leak import ONE


def test_shares_and_how_long_they_last() -> None:
    assert share(0.75) == 3 * ONE // 4
    assert share(np.array([0.0, 1.0])).tolist() == [0, ONE]
    assert steps_of(share(0.75)) == 4
    assert steps_of(share(0.75), share(0.5)) == 8
    assert steps_of(ONE) == LASTING


def test_levels_are_the_first_that_fire() -> None:
    unit = np.array([0.25, 0.3])
    assert level_of(1.0, "at", unit).tolist() == [4, 4]
    assert level_of(1.0, "above", unit).tolist() == [5, 4]
    assert whole(1.0, unit).tolist() == [4, 3]
    assert one_of(np.array([3, 3], np.int32)) == 3
