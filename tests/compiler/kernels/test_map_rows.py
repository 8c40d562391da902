"""Sums of maps, a few rows at a time: the spikes and outputs of the reference, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from delrec_compile.compiler.kernels.float32 import compose
from delrec_compile.network.grid import snap
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.model import (
    Convolution,
    Dense,
    DenseDelay,
    LeakyReadout,
    Lif,
    Network,
    Population,
    Projection,
)
from delrec_compile.ops.alif import Alif
from delrec_compile.ops.maps import Maps
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.runner import Trace
from delrec_compile.runners.torch_runner import TorchRunner
from delrec_compile.targets.schedule import Schedule

STEPS = 60


@cache
def network() -> Network:
    """Strides, margins, groups and sums of two maps; spikes that also go through delays."""
    r = np.random.default_rng(5)

    def conv(*shape: Any, **rest: Any) -> Convolution:
        maps = Maps(*shape, **rest)
        size = np.prod(maps.kernel[1:])
        return Convolution(
            (r.normal(size=maps.kernel) * 2 / np.sqrt(size)).astype(np.float32), maps
        )

    own = r.uniform(0.5, 0.95, 3 * 6 * 5).astype(np.float32)
    first = conv(2, 11, 9, (8, 2, 3, 3), stride=(2, 2), pad=(1, 1))  # 8 x 6 x 5
    deep = conv(8, 6, 5, (8, 1, 3, 2), stride=(1, 1), pad=(1, 1), groups=8)  # 8 x 6 x 6
    skip = conv(2, 11, 9, (3, 2, 5, 1), stride=(2, 2), pad=(2, 0))  # 3 x 6 x 5
    same = conv(8, 6, 5, (3, 8, 1, 1))
    delayed = DenseDelay(r.normal(size=(6, 90)).astype(np.float32) / 4, r.integers(0, 5, 90))
    dense = [Dense(r.normal(size=(6, n)).astype(np.float32) / 4) for n in (288, 90)]
    return snap(
        Network.of(
            [
                Population("a", Lif(0.9), (Projection("x", first),), r.normal(size=8) / 9),
                Population("b", Alif(0.8, 0.9, 0.2), (Projection("a", deep),)),
                Population("c", Lif(own), (Projection("x", skip), Projection("a", same))),
                Population(
                    "out",
                    LeakyReadout.in_graph(np.zeros(6, np.float32), beta=0.9),
                    (
                        Projection("b", dense[0]),
                        Projection("c", dense[1]),
                        Projection("c", delayed),
                    ),
                ),
            ],
            max_input=2,
            name="rows",
        )
    )


def counts() -> np.ndarray:
    r = np.random.default_rng(6)
    return np.minimum(r.poisson(0.2, (STEPS, 1, network().inputs)), 2).astype(np.float32)


def assert_same(have: Trace, want: Trace) -> None:
    for own, other in zip(have.spikes, want.spikes, strict=True):
        assert 0.01 < other.mean() < 0.9
        np.testing.assert_array_equal(own, other)
    np.testing.assert_array_equal(have.y.view(np.uint32), want.y.view(np.uint32))


def test_float32_on_vectors(compiled: Callable[..., Any]) -> None:
    want = TorchRunner(network()).trace(counts())
    session = compiled(network())
    assert_same(session.trace(counts()), want)
    session.reset()
    np.testing.assert_array_equal(session.run(counts()[:, 0]), want.y[:, 0])  # many steps at a time


@pytest.mark.parametrize("numeric", ["float32", "int8"])
def test_c_text(compiled: Callable[..., Any], numeric: str) -> None:
    integer = numeric != "float32"
    want = ReferenceRunner(quantise(network(), numeric)) if integer else TorchRunner(network())
    session = compiled(network(), target="portable_c", numeric=numeric)
    assert_same(session.trace(counts()), want.trace(counts()))


def test_sums_take_the_memory_of_the_rows_that_a_kernel_reaches() -> None:
    kernel = compose(network(), Schedule(1, 8, "branch"), generator="c")
    # 2 rows of 6 columns of 8 channels; 3 of 7 of 8; 3 of 5 of 3, and of alignment
    assert kernel.arrays["float32"] <= 2 * 6 * 8 + 3 * 7 * 8 + 3 * 5 * 3 + 3 * 16
