"""Golden vectors: fixed inputs, and a hash that any change of the outputs changes."""

from __future__ import annotations

from dataclasses import replace

import cases
import numpy as np

from delrec_compile.network.golden import golden_hash, golden_input, golden_scale, same_bits
from delrec_compile.network.integer.quantise import quantise


def test_the_input_is_fixed_and_within_the_exact_counts() -> None:
    network = cases.network("mixed")
    x = golden_input(network)
    assert x[0, 0, :14].tolist() == golden_input(network, 5)[0, 0, :14].tolist()
    assert 0 < x.mean() < 0.5
    few = replace(network, max_input=1)
    np.testing.assert_array_equal(golden_input(few), np.minimum(x, 1))


def test_the_hash_follows_the_outputs() -> None:
    network = cases.network("mixed")
    other = replace(network, readout=replace(network.readout, bias=network.readout.bias + 1))
    assert golden_hash(network) == golden_hash(network) != golden_hash(other)


def test_integer_networks_have_the_same_bits_everywhere() -> None:
    assert same_bits(cases.network("mixed"))
    assert not same_bits(cases.network("off_grid"))
    assert same_bits(quantise(cases.network("mixed"), "int8"))


def test_real_inputs_are_of_both_signs_and_reach_beyond_the_largest() -> None:
    real = replace(cases.network("mixed"), input_bits=6, max_input=0.75)
    x = golden_input(real)
    assert golden_scale(real) == 15
    assert x.min() < -0.75
    assert x.max() > 0.75
    assert np.abs(x).max() <= 1
    assert (np.ldexp(x, 15) % 1 == 0).all()
    assert (np.ldexp(x, 6) % 1 != 0).any()
