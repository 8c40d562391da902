"""Dense synapses with axonal delays against their formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.ops import check_forms, grid, history, values

from delrec_compile.errors import NetworkError
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


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("line", [history, values])
def test_heads_between_populations_of_other_sizes(heads: int, line: Any) -> None:
    sources, size = 6, 4
    r = DenseDelay(grid(RNG, heads, size, sources), RNG.integers(0, 5, (heads, sources)))
    weight, delay = r.weight.reshape(heads, size, sources), r.delay.reshape(heads, sources)
    hist = line(RNG, 2, r.depth, sources)
    want = np.zeros((2, size), np.float32)
    for m, i, j in np.ndindex(heads, size, sources):
        want[:, i] += weight[m, i, j] * hist[:, delay[m, j], j]
    check_forms(r, hist, want)
    assert r.parameters == heads * (size * sources + sources)
    assert r.line.heads == len(r.rows) == heads


def test_delays_that_do_not_fit_the_weight_are_refused() -> None:
    for weight, delay in ((np.ones((2, 3)), [0, 0]), (np.ones((2, 2)), np.zeros((2, 2)))):
        with pytest.raises(NetworkError, match=r"one delay for each column of each head, \["):
            DenseDelay(weight, delay)
    with pytest.raises(NetworkError, match=r"\[out, in\] or \[heads, out, in\] is required"):
        DenseDelay([1.0], [0])


def test_without_delays_only_the_weights_are_counted() -> None:
    dense = DenseDelay(grid(RNG, 6, 6), [0] * 6)
    assert (dense.name, dense.parameters, dense.depth) == ("dense", 36, 1)
    hist = history(RNG, 2, 1, 6)
    check_forms(dense, hist, hist[:, 0] @ dense.weight.T)
