"""Golden vectors: fixed inputs, and a hash that any change of the outputs changes."""

from __future__ import annotations

from dataclasses import replace

import cases
import numpy as np

from delrec_compile.network.golden import golden_hash, golden_input, same_bits
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
