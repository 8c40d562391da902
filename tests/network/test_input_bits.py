"""The rounding of real inputs that is chosen from samples."""

from __future__ import annotations

from dataclasses import replace

import cases
import numpy as np
import pytest
from helpers import refusal

from delrec_compile.errors import NetworkError
from delrec_compile.network.grid import exact, snap
from delrec_compile.network.input_bits import choose, with_real_input
from delrec_compile.network.model import Network

R = np.random.default_rng(5)


def network() -> Network:
    return replace(cases.network("feed_forward"), max_input=1)


def errors(net: Network, bits: int, x: np.ndarray) -> float:
    """Size of the error of a current by both roundings."""
    rounded = snap(replace(net, input_bits=bits, max_input=1.0))
    there = x.astype(np.float64) @ net.layers[0].weight.astype(np.float64).T
    here = rounded.rounded(x).astype(np.float64) @ rounded.layers[0].weight.astype(np.float64).T
    return float(np.sqrt(((there - here) ** 2).mean()))


def test_both_roundings_err_alike() -> None:
    net = network()
    weight = R.normal(size=net.layers[0].weight.shape).astype(np.float32) / 4
    net = replace(net, layers=(replace(net.layers[0], weight=weight), *net.layers[1:]))
    x = R.uniform(0, 1, (500, net.inputs)).astype(np.float32)
    x[0, 0] = 1
    real = choose(net, x)
    assert real.max_input == 1
    own = errors(net, real.bits, x)
    assert own < errors(net, real.bits - 3, x) / 3
    assert own < errors(net, real.bits + 3, x) / 3
    made = with_real_input(net, x)
    assert made.real_input == real
    assert exact(snap(made))


@pytest.mark.parametrize(
    ("values", "bits", "largest"),
    [([0, 1, 3], 0, 4), ([-0.5, 0.25], 2, 0.5), ([0.5, 10.5], 1, 16), ([-30000, 1], 0, 32767)],
)
def test_samples_on_a_grid_of_their_own_are_exact(
    values: list[float], bits: int, largest: float
) -> None:
    x = R.choice(np.float32(values), (50, network().inputs))
    real = choose(network(), x)
    assert (real.bits, real.max_input) == (bits, largest)
    np.testing.assert_array_equal(real.reference(x), x)


@pytest.mark.parametrize(("value", "largest"), [(0.7, 1), (1.0, 1), (0.01, 2.0**-6)])
def test_the_largest_is_a_power_of_two(value: float, largest: float) -> None:
    real = choose(network(), np.full((3, network().inputs), value, np.float32))
    assert real.max_input == largest


@pytest.mark.parametrize("value", [0.0, np.inf, 40000.5])
def test_samples_that_have_no_range_are_refused(value: float) -> None:
    with refusal(NetworkError, "finite values, not all 0|scale the inputs to 32767 or less", 3):
        choose(network(), np.full((3, network().inputs), value, np.float32))
