"""What readouts share: classes from outputs, pooled weights, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from delrec_compile.errors import NetworkError
from delrec_compile.ops import readout
from delrec_compile.ops.leaky_readout import LeakyReadout


def test_pooled_counts_are_the_means_of_groups() -> None:
    weight = readout.pooled(3, 7)
    assert [np.flatnonzero(row).tolist() for row in weight] == [[0, 1, 2], [3, 4], [5, 6]]
    np.testing.assert_allclose(weight.sum(axis=1), 1)
    with pytest.raises(NetworkError, match="7 neurons make no 8 groups"):
        readout.pooled(8, 7)


@pytest.mark.parametrize(
    ("decision", "winner"), [("softmax_sum", 1), ("mean", 0), ("sum", 0), ("last", 2), ("max", 0)]
)
def test_decisions(decision: str, winner: int) -> None:
    y = np.array([[9, 0, 0], [0, 2, 0], [0, 2, 0], [0, 0, 1]], np.float32)[:, None]
    np.testing.assert_array_equal(
        LeakyReadout(np.eye(3), np.zeros(3), 0.5, decision).classes(y), [winner]
    )


def test_shares_are_of_all_outputs_or_of_each() -> None:
    weight, bias = np.eye(3), np.zeros(3)
    for same in (0.5, [0.5], [0.5, 0.5, 0.5]):
        readout_of = LeakyReadout(weight, bias, same)
        assert (readout_of.beta, readout_of.has_own) == (0.5, False)
    assert LeakyReadout(weight, bias, [0.5, 0.25, 1.0]).has_own is True
    with pytest.raises(NetworkError, match="2 values of beta; 1 or 3 are required"):
        LeakyReadout(weight, bias, [0.5, 0.25])
    with pytest.raises(NetworkError, match=r"beta is 1.5; allowed: 0 <= beta <= 1"):
        LeakyReadout(weight, bias, [0.5, 1.5, 0.5])
