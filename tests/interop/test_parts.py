"""Constants of the neurons of a foreign model."""

from __future__ import annotations

import numpy as np
from helpers import refusal

from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.parts import lif_of, neuron_of
from delrec_compile.ops.cuba_lif import CubaLif


def test_constants_are_one_number_or_one_for_each_neuron() -> None:
    lif = lif_of(3, "b", beta=[0.5, 0.5, 0.5], threshold=np.array([1.0, 2, 3]), reset="soft")
    assert (lif.beta, lif.reset) == (0.5, "soft")
    assert np.array_equal(lif.threshold, [1, 2, 3])
    with refusal(UnsupportedError, r"b: beta of shape \[2\] for 3 neurons", 4):
        lif_of(3, "b", beta=[0.5, 0.25])
    with refusal(UnsupportedError, "b: lif: beta is 2", 4):
        lif_of(3, "b", beta=2.0)


def test_any_model() -> None:
    made = neuron_of(CubaLif, 2, "c", alpha=0.5, beta=[0.5, 0.25], enters="old")
    assert (made.kind, made.alpha, made.enters) == ("cuba_lif", 0.5, "old")
    assert np.array_equal(made.beta, [0.5, 0.25])
