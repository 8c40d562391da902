"""Dense recurrence with a delay per synapse against its formula."""

from __future__ import annotations

import numpy as np
from fixtures.ops import check_forms, grid, history

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
