"""The delay line: its ring of bit planes, and its gather index."""

from __future__ import annotations

import numpy as np
import torch
from fixtures.ops import history

from delrec_compile.ops import delay_line

RNG = np.random.default_rng(11)


def test_the_ring_holds_every_arrival() -> None:
    """Arrivals 1 to `depth` steps ahead are in planes of their own: this step's was just cleared."""
    for depth in (*range(1, 70), 255, 256, 257, 4095):
        planes = delay_line.planes(depth)
        assert planes & (planes - 1) == 0
        assert depth <= planes < 2 * depth
    assert [delay_line.words(n) for n in (1, 32, 33, 64)] == [1, 1, 2, 2]


def test_the_gather_index_reads_what_the_reference_reads() -> None:
    hist, delay = history(RNG, 2, 5, 7), RNG.integers(0, 5, (3, 7)).astype(np.int32)
    want = delay_line.reference(hist, delay)
    at = torch.from_numpy(delay_line.gather_index(delay))
    have = delay_line.torch_form(torch.from_numpy(hist), at)
    np.testing.assert_array_equal(have.numpy().reshape(want.shape), want)
    assert want[1, 2, 3] == hist[1, delay[2, 3], 3]
