"""Dense recurrence against its formula."""

from __future__ import annotations

import numpy as np
from fixtures.ops import check_forms, grid, history

from delrec_compile.ops.dense_delay import DenseDelay

RNG = np.random.default_rng(11)


def test_dense_delay_is_its_formula() -> None:
    n = 7
    r = DenseDelay(grid(RNG, n, n), RNG.integers(0, 5, n))
    hist = history(RNG, 3, r.depth, n)
    want = np.zeros((3, n), np.float32)
    for i in range(n):
        for j in range(n):
            want[:, i] += r.weight[i, j] * hist[:, r.delay[j], j]
    check_forms(r, hist, want)
    assert r.parameters == n * n + n


def test_without_delays_only_the_weights_are_counted() -> None:
    dense = DenseDelay(grid(RNG, 6, 6), [0] * 6)
    assert (dense.name, dense.parameters, dense.depth) == ("dense", 36, 1)
    hist = history(RNG, 2, 1, 6)
    check_forms(dense, hist, hist[:, 0] @ dense.weight.T)
