"""Tables of the integer kernel: the order of rows, and what is left out."""

from __future__ import annotations

import cases
import numpy as np

from delrec_compile.compiler.kernels.integer_tables import (
    group_of,
    is_narrow,
    rows_of,
    scattered,
    tables_of,
)
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.integer.synapses import IntegerConv
from delrec_compile.targets.schedule import Schedule

PLAIN = Schedule(1, 4, "scan")
VNNI = Schedule(16, 4, "compress", rows="pairs")


def test_rows_are_by_input() -> None:
    weight = np.arange(6, dtype=np.int16).reshape(2, 3)
    assert rows_of(weight, PLAIN).tolist() == weight.T.tolist()


def test_rows_of_inputs_that_count_are_interleaved() -> None:
    assert rows_of(np.ones((16, 6), np.int8), VNNI, 31, 4).shape == (2, 16, 4)
    assert group_of(quantise(cases.network("mixed"), "int8"), VNNI) == 4
    assert group_of(quantise(cases.network("frontend"), "int8"), VNNI) == 1


def test_narrow_rows_fit_16_bits_and_count_1() -> None:
    weight = np.full((16, 100), 127, np.int8)
    assert is_narrow(weight, VNNI, 1)
    assert not is_narrow(weight, VNNI, 2)
    assert not is_narrow(np.full((16, 300), 127, np.int8), VNNI, 1)


def test_a_scattered_kernel_is_the_kernel_by_sender() -> None:
    kernel = np.arange(15, dtype=np.int16).reshape(3, 5)
    out = scattered(IntegerConv(kernel, np.zeros(5, np.int32), 0))
    for j in range(5):
        for q in range(3):
            i = j - 1 + q
            assert out[0, j, q] == (kernel[2 - q, i] if 0 <= i < 5 else 0)


def test_one_reset_for_all_needs_no_table() -> None:
    names = tables_of(quantise(cases.network("mixed"), "int8"), PLAIN)
    assert "l0_v_reset" not in names
    assert "l0_v_reset" in tables_of(quantise(cases.network("own_lif"), "int8"), PLAIN)
    soft = tables_of(quantise(cases.network("own_soft"), "int8"), PLAIN)
    assert "l0_drop" in soft
    assert "l0_v_reset" not in soft
