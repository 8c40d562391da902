"""The kernel of conv_delay by receiving neuron, against its formula."""

from __future__ import annotations

import numpy as np

from delrec_compile.network.integer.synapses import IntegerConv

RNG = np.random.default_rng(11)


def test_the_conv_current_is_its_formula() -> None:
    heads, taps, n = 2, 3, 5
    kernel = RNG.integers(-9, 10, (heads, taps, n)).astype(np.int16)
    r = IntegerConv(kernel, RNG.integers(0, 4, (heads, n)).astype(np.int32), shift=3)
    hist = RNG.integers(0, 2, (2, r.depth, n))
    want = np.zeros((2, n), np.int64)
    for m in range(heads):
        for i in range(n):
            for k in range(taps):
                j = i + k - 1
                if 0 <= j < n:
                    want[:, i] += int(kernel[m, k, i]) * hist[:, r.line.delay[m, j], j]
    np.testing.assert_array_equal(r.current(hist), want << 3)
    assert (np.abs(want << 3) <= r.bound()).all()
    assert (r.kind, r.sources, r.size) == ("conv_delay", n, n)
