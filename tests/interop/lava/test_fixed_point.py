"""The check after an import of a Lava network: its neurons, beside the same equations in Python."""

from __future__ import annotations

import numpy as np
from fixtures.lava import fixed_point

from delrec_compile.interop import linear_parts
from delrec_compile.interop.lava.fixed_point import LavaModel
from delrec_compile.interop.parts import Delays, Neurons
from delrec_compile.ops.loihi import Loihi

RNG = np.random.default_rng(9)


def test_parts_in_their_order() -> None:
    weight, late = RNG.integers(-90, 120, (6, 5)), np.array([0, 2, 1, 0, 3, 0])
    parts = (
        ("a", linear_parts.affine(weight)),
        ("n", Neurons(Loihi(700, 60, 150, 2))),
        ("d", Delays(late)),
        ("b", linear_parts.affine(np.eye(6) * 100)),
        ("m", Neurons(Loihi(4096, 4096, 99))),
    )
    x = (RNG.random((80, 2, 5)) < 0.3).astype(np.float32)
    first, second = LavaModel(parts).spikes(x)
    for b in range(2):
        want, _ = fixed_point(x[:, b].astype(int) @ weight.T, 700, 60, 150, 2)
        np.testing.assert_array_equal(first[:, b], want)
        for n, d in enumerate(late):
            np.testing.assert_array_equal(second[d:, b, n], want[: 80 - d, n])
    assert 0.02 < first.mean() < 0.9


def test_currents_wrap_around() -> None:
    currents = RNG.integers(-30000, 40000, (90, 4))
    want, _ = fixed_point(currents, 1, 4, 90000, 0)
    x = currents[:, None].astype(np.float32)
    parts = (("a", linear_parts.affine(np.eye(4))), ("n", Neurons(Loihi(1, 4, 90000))))
    np.testing.assert_array_equal(LavaModel(parts).spikes(x)[0][:, 0], want)
