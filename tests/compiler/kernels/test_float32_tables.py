"""The constants of float32 kernels: integers on a grid, rows interleaved, real inputs coarser."""

from __future__ import annotations

from dataclasses import replace

import cases
import numpy as np

from benchmarks.networks import Size, random_network
from delrec_compile.compiler.kernels import integer_tables
from delrec_compile.compiler.kernels.float32_tables import GridFormat, tables_of, weight_formats
from delrec_compile.network.grid import grids, snap
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.model import (
    Conv2dDelay,
    Convolution,
    Dense,
    DenseDelay,
    LeakyReadout,
    Lif,
    Maps,
    Network,
    Population,
    Projection,
    Window,
    max_pool,
)
from delrec_compile.targets.schedule import Schedule

VNNI = Schedule(16, 4, "compress", rows="pairs")


def test_weights_on_a_grid_are_integers_where_the_schedule_holds_them() -> None:
    network = cases.network("mixed")
    exact = weight_formats(network, Schedule(8, 8, "scan", rows="units"), grids(network))
    assert [form.sum_dtype for form in exact] == ["int32"] * 3
    tables, _ = tables_of(network, exact)
    assert tables["l0_weight"].dtype == np.int16
    assert tables["l0_bias"].dtype == np.int32
    unit = tables["l0_lif"][-1]
    np.testing.assert_array_equal(tables["l0_bias"] * unit, network.layers[0].bias)
    weight = tables["l0_weight"].reshape(14, 16).T * unit
    np.testing.assert_array_equal(weight, network.layers[0].weight)


def test_rows_beyond_16_bits_have_32_table_by_table() -> None:
    """The inputs of the first layer are small: 16 bits hold them, interleaved, on the fine grid."""
    network = cases.network("mixed")
    first, *rest = network.layers
    small = replace(first, weight=np.ldexp(first.weight, -12))
    network = snap(replace(network, layers=(small, *rest)), "fine")
    forms = weight_formats(network, VNNI, grids(network))
    tables, _ = tables_of(network, forms)
    assert forms[0].group == 2
    assert tables["l0_weight"].dtype == np.int16
    assert tables["l0_recurrent"].dtype == np.int32
    recurrent = tables["l0_recurrent"].reshape(16, 16).T * tables["l0_lif"][-1]
    assert isinstance(small.recurrence, DenseDelay)
    np.testing.assert_array_equal(recurrent, small.recurrence.weight)


def test_without_a_grid_they_are_float32() -> None:
    network = cases.network("off_grid")
    forms = weight_formats(network, VNNI, grids(network))
    assert {form.sum_dtype for form in forms} == {"float32"}
    assert {form.group for form in forms} == {1}
    assert all(len(form.unit) == 0 for form in forms)


def test_only_the_first_layer_interleaves_its_inputs() -> None:
    network = cases.network("mixed")
    forms = weight_formats(network, VNNI, grids(network))
    assert [form.group for form in forms] == [2, 1, 1]
    rows = forms[0].as_rows(network.layers[0].weight.T, forms[0].group)
    assert rows.shape == (7, 16, 2)


def test_rows_of_spikes_are_joined_where_the_schedule_adds_words() -> None:
    """Neither those of inputs, which have counts, nor those of float32 or of less than two blocks."""
    network = random_network(Size(neurons=32, inputs=9, outputs=4, delays=(0, 3)))
    joined = replace(VNNI, rows="joined")
    plain, packed = (
        tables_of(network, weight_formats(network, schedule, grids(network)))[0]
        for schedule in (VNNI, joined)
    )
    changed = {name for name in plain if not np.array_equal(plain[name], packed[name])}
    assert changed == {"l1_weight"}
    off_grid = cases.network("off_grid")
    form = weight_formats(off_grid, joined, grids(off_grid))[1]
    assert form.as_rows_of_spikes(np.ones((2, 32), np.float32)).dtype == np.float32


def test_a_readout_that_counts_adds_its_bias_to_the_output() -> None:
    network = cases.network("count_readout")
    tables, _ = tables_of(network, weight_formats(network, Schedule(4, 4, "scan")))
    assert not tables["out_bias"].any()
    np.testing.assert_array_equal(tables["out_offset"], network.readout.bias)


def test_the_places_of_a_row_are_in_the_order_of_the_format() -> None:
    values = np.float32([[0.5, 1.0, 1.5]])
    assert GridFormat(1, (2, 0, 1)).as_rows(values).tolist() == [[3, 1, 2]]
    assert GridFormat(None, (2, 0, 1)).as_rows(values) is values


def test_weights_of_real_inputs_are_coarser_than_their_sums() -> None:
    network = cases.network("real")
    schedule = Schedule(lanes=1, rows="units")
    qs = grids(network)
    tables, _ = tables_of(network, weight_formats(network, schedule, qs))
    first = network.layers[0]
    units = np.ldexp(first.weight.T, qs[0] - network.input_bits).reshape(-1)
    np.testing.assert_array_equal(tables["l0_weight"], units)
    np.testing.assert_array_equal(tables["l0_bias"], np.ldexp(first.bias, qs[0]))


def pooled(side: int) -> Network:
    """Convolutions forwards and back, delayed ones, and pools of every kind, on maps of a size."""
    r, halves = np.random.default_rng(0), Window((2, 2), (2, 2))

    def convolution(*sizes: int, **more: object) -> Convolution:
        outputs, channels, rows, columns, high = sizes
        groups = 4 if channels == 1 else 1
        kernel = (outputs, channels, rows, columns)
        m = Maps.of(
            kernel, channels=channels * groups, height=high, width=high, groups=groups, **more
        )
        return Convolution(r.normal(size=kernel), m)

    whole = {"stride": (1, 1), "pad": (1, 1)}
    even = {"stride": (1, 1), "pad": (0, 1), "end": (1, 1)}
    a = (
        Projection("x", convolution(4, 2, 3, 3, side, **whole)),
        Projection("a", Conv2dDelay(r.normal(size=(2, 4, 4, 3, 3)), side, side)),
        Projection("a", convolution(4, 1, 2, 3, side, **even)),
    )
    c = (
        Projection("a", Convolution.pooling((4, side, side), halves, 1 / 4)),
        Projection("x", convolution(4, 2, 3, 3, side, **whole, peak=halves)),
        Projection("top", convolution(4, 4, 3, 3, side // 2, **whole)),
    )
    readout = LeakyReadout.in_graph(np.zeros(2), beta=0.9)
    out = Projection("c", Dense(r.normal(size=(2, side * side))))
    return snap(
        Network.of(
            [
                Population("a", Lif(0.9), a),
                max_pool("top", "a", (4, side, side), halves),
                Population("c", Lif(0.9), c),
                Population("out", readout, (out,)),
            ],
            max_input=1,
        )
    )


def test_maps_of_any_size_have_the_weights_of_their_kernels() -> None:
    sizes = []
    for network in (pooled(8), pooled(16)):
        exact, _ = tables_of(network, weight_formats(network, VNNI, grids(network)))
        whole = integer_tables.tables_of(quantise(network, "int8"), VNNI)
        kernels = [
            {k: v.size for k, v in tables.items() if k.endswith(("weight", "kernel"))}
            for tables in (exact, whole)
        ]
        for own in kernels:
            assert own.pop("out_weight") == 2 * network.populations[2].size
        sizes.append(kernels)
    assert sizes[0] == sizes[1]
    weights = {"a_weight": 72, "a_p2_kernel": 288, "top_weight": 16, "c_weight": 16}
    assert weights.items() <= sizes[0][0].items()
