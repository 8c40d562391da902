"""Convolutions as NIR nodes, beside torch's; those of a network are in test_graph_writer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from fixtures.nir_graphs import nir
from helpers import refusal

from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.nir.written_maps import input_shape, output_shape, written
from delrec_compile.network.model import Maps, Window

R = np.random.default_rng(0)
MAPS = {
    "plain": Maps(2, 6, 7, (4, 2, 3, 3), (2, 1), (1, 0)),
    "groups": Maps(4, 6, 7, (4, 1, 3, 3), groups=4),
    "wide": Maps(2, 6, 7, (4, 2, 1, 3), pad=(0, 1), dilation=(1, 2)),
    "same": Maps(2, 6, 7, (4, 2, 4, 2), pad=(1, 0), end=(2, 1)),
    "row": Maps(2, 1, 9, (4, 2, 1, 4), (1, 2), (0, 1)),
}


@pytest.mark.filterwarnings("ignore:Using padding")
@pytest.mark.parametrize("name", MAPS)
def test_nodes_compute_what_the_maps_do(name: str) -> None:
    m = MAPS[name]
    kernel, bias = (R.normal(size=s).astype(np.float32) for s in (m.kernel, (4,)))
    ((_, node),) = written(nir, "a", m, kernel, bias)
    x = R.normal(size=(3, m.inputs)).astype(np.float32)
    conv = torch.nn.functional.conv1d if name == "row" else torch.nn.functional.conv2d
    rows = torch.from_numpy(x.reshape(3, *input_shape(m)))
    own: Any = (node.stride, node.padding, node.dilation, node.groups)
    got = conv(rows, torch.from_numpy(node.weight), torch.from_numpy(node.bias), *own)
    assert got.shape[1:] == output_shape(m)
    want = m.reference(x, kernel) + np.repeat(bias, m.size // 4)
    np.testing.assert_allclose(got.flatten(1).numpy(), want, atol=1e-5)
    assert name == "row" or node.weight.shape[2] == node.weight.shape[3]


def test_a_pool_is_a_pool() -> None:
    m = Maps(3, 4, 4, (3, 1, 2, 2), (2, 2), groups=3)
    nodes = written(nir, "a", m, np.full(m.kernel, 0.25, np.float32), np.zeros(3, np.float32))
    assert [type(node).__name__ for _, node in nodes] == ["SumPool2d", "Scale"]


REFUSED = {
    "NIR has no node for the largest": Maps(2, 6, 6, (4, 2, 3, 3), peak=Window((2, 2), (2, 2))),
    r"square kernels only; this one is \[2, 3\]": Maps(2, 6, 6, (4, 2, 2, 3)),
    r"windows that reach \[2, 2\] behind the maps and \[0, 0\] before": Maps(
        2, 6, 6, (4, 2, 3, 3), end=(2, 2)
    ),
    "more than 8,388,608 weights": Maps(1024, 4, 4, (1024, 1, 3, 3), groups=1024),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_nir_cannot_say(message: str) -> None:
    m = REFUSED[message]
    with refusal(UnsupportedError, f"a: .*{message}", 4):
        written(nir, "a", m, np.arange(np.prod(m.kernel)).reshape(m.kernel), np.zeros(m.kernel[0]))
