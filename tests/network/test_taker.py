"""What a network takes: counts, or real values."""

from __future__ import annotations

from dataclasses import replace

import cases
import numpy as np
import pytest
from helpers import refusal

from delrec_compile.errors import DataError
from delrec_compile.network.inputs import read_inputs
from delrec_compile.network.taker import Taker


def test_counts_and_real_values_are_read_as_the_network_takes_them() -> None:
    network = cases.network("mixed")
    real = replace(network, input_bits=4, max_input=0.5)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 5, network.inputs)).astype(np.float32)
    own = Taker.of(real)
    assert own.real
    assert own.max_input == 0.5
    np.testing.assert_array_equal(own.values("x", x), x)
    with refusal(DataError, "which is no count.*--input-bits", 3):
        Taker.of(network).values("x", x)
    x[1, 2, 3] = np.nan
    with refusal(DataError, "x: sample 1, step 2, input 3 is NaN; numbers are required", 3):
        own.values("x", x)


def test_values_beyond_the_largest_are_told() -> None:
    real = replace(cases.network("mixed"), input_bits=4, max_input=0.5)
    x = np.full((1, 4, real.inputs), 0.25, np.float32)
    assert read_inputs(real, x).remark == ""
    x[0, 0] = 3
    assert "25.00% of its values are beyond 0.5: clipped" in read_inputs(real, x).remark
    drawn = read_inputs(real, "random:0.5:3").samples
    assert drawn.real
    assert drawn.counts.min() < 0 < np.abs(drawn.counts).max() <= 0.5


@pytest.mark.parametrize("kind", ["npz", "npy", "csv"])
def test_files_of_real_values_are_read_for_a_network_that_takes_them(tmp_path, kind: str) -> None:  # type: ignore[no-untyped-def]
    from delrec_compile.data.events import save_samples
    from delrec_compile.data.samples import read_samples

    real = replace(cases.network("mixed"), input_bits=4, max_input=0.5)
    x = np.linspace(-0.5, 0.5, 3 * real.inputs, dtype=np.float32).reshape(1, 3, -1)
    path = tmp_path / f"x.{kind}"
    if kind == "csv":
        np.savetxt(path, x[0], "%.9g", ",")
    else:
        {"npz": lambda p: np.savez(p, x=x), "npy": lambda p: np.save(p, x)}[kind](path)
    read = read_inputs(real, path).samples
    np.testing.assert_array_equal(read.counts, x)
    save_samples(tmp_path / "again.npz", read)
    again = read_samples(tmp_path / "again.npz")
    assert again.real
    np.testing.assert_array_equal(again.counts, x)
