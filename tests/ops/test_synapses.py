"""What all synapses share: what they have without saying so, and values of a line in their TIR."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.emitted import check_emitted
from fixtures.ops import grid, values

from delrec_compile.compiler.kernels.float32_tables import GridFormat
from delrec_compile.ops.channel_conv_delay import ChannelConvDelay
from delrec_compile.ops.conv2d_delay import Conv2dDelay
from delrec_compile.ops.conv_delay import ConvDelay
from delrec_compile.ops.dense_delay import DenseDelay
from delrec_compile.ops.registry import SYNAPSES
from delrec_compile.ops.synaptic_delay import SynapticDelay
from delrec_compile.ops.tap_conv_delay import TapConvDelay

RNG = np.random.default_rng(11)


def test_a_recurrence_without_rows_or_attributes() -> None:
    r = ConvDelay([0.25, 0.5, 0.25], [1, 2, 3])
    assert r.rows == []
    assert r.attributes() == {}
    form = GridFormat(2, (0, 1, 2))
    assert r.gpu_tables(form).keys() == r.tables(form).keys()
    assert r.tables(form)["kernel"].tolist() == [1, 2, 1]


def test_the_name_of_a_recurrence_is_its_kind() -> None:
    r = DenseDelay(np.eye(2), [0, 1])
    assert r.name == r.kind == "dense_delay"
    assert (r.node, r.node_attributes()) == ("DenseDelay", {})


MAPS = {
    "conv_delay": ConvDelay(grid(RNG, 2, 3), RNG.integers(0, 4, (2, 9))),
    "dense_delay": DenseDelay(grid(RNG, 7, 5), RNG.integers(0, 4, 5)),
    "dense_delay_heads": DenseDelay(grid(RNG, 3, 7, 5), RNG.integers(0, 4, (3, 5))),
    "synaptic_delay": SynapticDelay(grid(RNG, 7, 5), RNG.integers(0, 4, (7, 5))),
    "tap_conv_delay": TapConvDelay(grid(RNG, 2, 3, 2, 3), [1, 3], 5),
    "conv2d_delay": Conv2dDelay(grid(RNG, 2, 3, 2, 3, 2), 4, 5, (1, 2), (0, 1)),
    "channel_conv_delay": ChannelConvDelay(grid(RNG, 3, 2, 3), RNG.integers(0, 4, 14)),
}


def test_there_is_a_map_of_each_kind() -> None:
    assert {r.kind for r in MAPS.values()} == SYNAPSES.keys()


@pytest.mark.parametrize("name", MAPS)
def test_values_of_a_line_give_the_same_current_in_tir(name: str) -> None:
    r = MAPS[name]
    check_emitted(r, values(RNG, 1, r.depth, r.sources)[0])
