"""Tables of the integer kernel: the order of rows, and what is left out."""

from __future__ import annotations

from dataclasses import replace

import cases
import numpy as np

from delrec_compile.aliases import INT16_MAX
from delrec_compile.compiler.kernels.integer_tables import (
    BEYOND_BYTES,
    counts_of_parts,
    group_of,
    has_short_kernels,
    is_narrow,
    largest_count,
    rows_of,
    scattered,
    tables_of,
    without_words,
)
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.integer.synapses import IntegerConv
from delrec_compile.network.model import (
    INPUT,
    ConvDelay,
    Dense,
    Lif,
    Network,
    Population,
    Projection,
)
from delrec_compile.ops.leaky_readout import LeakyReadout
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


NARROW = Schedule(8, 4, "table", "units", bytes="narrow", taps="planes")


def test_counts_of_a_part_follow_the_weights_and_the_largest_count() -> None:
    network = quantise(cases.network("conv3"), "int8")
    largest = network.largest_units
    assert 1 < largest <= 127
    made = counts_of_parts(network, NARROW)
    assert made is not None
    assert made[0] == largest
    assert 258 <= made[1] <= INT16_MAX
    for schedule in (replace(NARROW, bytes="wide"), replace(NARROW, rows="float32")):
        assert counts_of_parts(network, schedule) is None
    assert counts_of_parts(network, replace(VNNI, bytes="narrow")) is None  # rows are interleaved
    assert counts_of_parts(quantise(cases.network("conv3"), "int16"), NARROW) is None


def test_kernels_of_16_bits_keep_their_own_unit() -> None:
    conv = IntegerConv(np.full((3, 64), 500, np.int16), np.zeros(64, np.int32), 4)
    assert has_short_kernels(conv, NARROW)
    assert not has_short_kernels(conv, replace(NARROW, taps="scatter"))
    assert not has_short_kernels(conv, replace(NARROW, bytes="wide"))
    wide = IntegerConv(conv.kernel.astype(np.int32), conv.line.delay[0], 4)
    assert not has_short_kernels(wide, NARROW)


def test_narrow_rows_lose_their_sign_where_the_schedule_says_so() -> None:
    weight, biased = np.full((64, 100), -3, np.int8), replace(VNNI, bytes="biased")
    assert (rows_of(weight, biased) == 125).all()
    assert (rows_of(weight, biased, max_count=2) == -3).all()


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


def test_a_kernel_of_the_input_lies_by_sender_where_those_of_spikes_are_planes() -> None:
    """Values are scattered whatever the schedule: they have no bits to read as planes."""
    r = np.random.default_rng(0)
    conv = ConvDelay(r.normal(size=3), r.integers(0, 4, 8))
    out = LeakyReadout.in_graph(np.zeros(2, np.float32), beta=0.5)
    network = Network.of(
        [
            Population("a", Lif(0.5), (Projection(INPUT, conv), Projection("a", conv, "back_"))),
            Population("out", out, (Projection("a", Dense(np.ones((2, 8)))),)),
        ]
    )
    whole = quantise(network, "int16")
    edges = whole.populations[0].projections
    first, back = (e.synapses for e in edges)
    tables = tables_of(whole, replace(VNNI, taps="planes", registers=8))
    assert isinstance(first, IntegerConv)
    assert isinstance(back, IntegerConv)
    np.testing.assert_array_equal(
        tables[f"a_{edges[0].prefix}kernel"], scattered(first).reshape(-1)
    )
    np.testing.assert_array_equal(
        tables[f"a_{edges[1].prefix}kernel"], back.kernel.reshape(-1) << back.shift
    )


def test_real_inputs_are_no_bytes_however_small() -> None:
    """They have signs, which words of bytes, narrow sums and unsigned products do not hold."""
    network = replace(cases.network("real"), input_bits=0, max_input=1)
    whole = quantise(network, "int8")
    assert largest_count(whole, INPUT) == BEYOND_BYTES
    assert largest_count(whole, "l0") == 1
    assert without_words(Schedule(1, bytes="words")).bytes == "wide"
    assert without_words(Schedule(1, bytes="memory")).bytes == "memory"
