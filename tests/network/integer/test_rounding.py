"""Rounding: scales that neurons share, room above them, and errors that cancel."""

from __future__ import annotations

import numpy as np

from delrec_compile.aliases import Numeric
from delrec_compile.network.integer.rounding import Block, InputStatistics, Rounding, joined

RNG = np.random.default_rng(5)


def rounding(shares: list[int], *blocks: Block) -> Rounding:
    return Rounding(blocks, np.array(shares), np.ones(len(shares)), 2.0)


def rows(weight: np.ndarray) -> Block:
    return Block(weight, np.ones(weight.shape[1], np.int64), np.arange(len(weight)))


def test_labels_are_joined_where_they_meet() -> None:
    assert joined([np.array([0, 1, 2, 3])]).tolist() == [0, 1, 2, 3]
    assert joined([np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2])]).tolist() == [0, 0, 0, 0]
    assert joined([np.array([0, 1, 0, 2]), np.array([3, 4, 5, 4])]).tolist() == [0, 1, 0, 1]


def test_neurons_of_a_channel_have_the_scale_of_its_largest_weight() -> None:
    weight = np.array([[1.0, -2.0], [0.5, 0.1], [4.0, 0.0]])
    rounded = rounding([0, 0, 1], rows(weight)).round(Numeric.INT8, None)
    np.testing.assert_allclose(rounded.scale, np.array([2, 2, 4]) / 127)
    error = rounded.units[0] * rounded.scale[:, None] - weight
    assert (np.abs(error) <= rounded.scale[:, None] / 2 + 1e-12).all()


def test_a_kernel_and_rows_share_a_scale() -> None:
    kernel = Block(np.array([[8.0], [1.0]]), np.ones(1, np.int64), np.array([0, 0, 1, 1]))
    rounded = rounding([0, 0, 1, 1], rows(np.full((4, 2), 2.0)), kernel).round(Numeric.INT8, None)
    np.testing.assert_allclose(rounded.scale, np.array([8, 8, 2, 2]) / 127)
    assert rounded.units[1][:, 0].tolist() == [127, 64]


def test_errors_of_inputs_that_come_together_cancel() -> None:
    """Two inputs that are always equal: the sum of their weights is right to one unit."""
    weight = RNG.normal(size=(40, 8))
    known = InputStatistics(np.ones((1, 8, 8)), np.full((40, 8), 0.5))
    plain, own = (
        rounding([*range(40)], rows(weight)).round(Numeric.INT8, s) for s in (None, [known])
    )
    errors = [
        np.abs((r.units[0] * r.scale[:, None] - weight).sum(axis=1)).mean() for r in (plain, own)
    ]
    assert errors[1] < 0.7 * errors[0]
    np.testing.assert_allclose(
        own.drift, (weight - own.units[0] * own.scale[:, None]).sum(axis=1) / 2
    )


def test_groups_of_a_convolution_have_inputs_of_their_own() -> None:
    weight = RNG.normal(size=(4, 6))
    first, second = (np.cov(RNG.normal(size=(6, 30))) for _ in range(2))
    known = InputStatistics(np.stack([first, second]), np.zeros((4, 6)))
    both = rounding([0, 1, 2, 3], rows(weight)).round(Numeric.INT8, [known])
    for k, covariance in enumerate((first, second)):
        half = slice(2 * k, 2 * k + 2)
        alone = rounding([0, 1], rows(weight[half])).round(
            Numeric.INT8, [InputStatistics(covariance[None], np.zeros((2, 6)))]
        )
        np.testing.assert_array_equal(both.units[0][half], alone.units[0])
