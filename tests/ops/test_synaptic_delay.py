"""Dense synapses with a delay each against their formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.ops import check_forms, grid, history, values

from delrec_compile.errors import NetworkError
from delrec_compile.ops.synaptic_delay import SynapticDelay

RNG = np.random.default_rng(11)


def test_synaptic_delay_is_its_formula() -> None:
    n = 6
    r = SynapticDelay(grid(RNG, n, n), RNG.integers(0, 5, (n, n)))
    hist = history(RNG, 3, r.depth, n)
    want = np.zeros((3, n), np.float32)
    for i in range(n):
        for j in range(n):
            want[:, i] += r.weight[i, j] * hist[:, r.delay[i, j], j]
    check_forms(r, hist, want)
    assert r.parameters == 2 * n * n
    alone = SynapticDelay(grid(RNG, 1, 1), [[3]])
    check_forms(alone, np.ones((1, 4, 1), np.float32), np.ones((1, 1)) * alone.weight)


@pytest.mark.parametrize("line", [history, values])
def test_between_populations_of_other_sizes(line: Any) -> None:
    r = SynapticDelay(grid(RNG, 3, 7), RNG.integers(0, 5, (3, 7)))
    hist = line(RNG, 2, r.depth, 7)
    want = np.zeros((2, 3), np.float32)
    for i, j in np.ndindex(3, 7):
        want[:, i] += r.weight[i, j] * hist[:, r.delay[i, j], j]
    check_forms(r, hist, want)


def test_a_delay_of_each_receiver() -> None:
    weight, delay = grid(RNG, 3, 5), np.array([2, 0, 4])
    r = SynapticDelay.of_receivers(weight, delay)
    hist = history(RNG, 2, 5, 5)
    want = np.stack([hist[:, d] @ weight[i] for i, d in enumerate(delay)], axis=1)
    check_forms(r, hist, want)
    with pytest.raises(NetworkError, match="2 delays for 3 receiving neurons; one for each"):
        SynapticDelay.of_receivers(weight, [1, 2])


def test_delays_of_another_shape_are_refused() -> None:
    with pytest.raises(NetworkError, match="one delay for each weight is required"):
        SynapticDelay(np.ones((2, 3)), [0, 0, 0])


class Kept:
    """A `WeightFormat` that leaves weights as they are."""

    def as_weights(self, values: np.ndarray) -> np.ndarray:
        return values


@pytest.mark.parametrize(("n", "to", "begins"), [(255, 1, 1), (256, 1, 2), (257, 2, 2)])
def test_tables_are_in_the_smallest_type_that_holds_them(n: int, to: int, begins: int) -> None:
    """Receivers are numbered below n, and what begins behind the last one is n."""
    delay = np.zeros((n, 2), np.int32)
    delay[1:, 1] = 1
    tables: Any = SynapticDelay(np.ones((n, 2)), delay).tables(Kept())  # type: ignore[arg-type]
    assert (tables["to"].itemsize, tables["begins"].itemsize) == (to, begins)
    assert tables["begins"].tolist() == [[0, n, n], [0, 1, n]]
    assert tables["to"][1].tolist() == list(range(n))
