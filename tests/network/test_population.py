"""Populations and projections: their order, their prefixes, and what is refused, by name."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from helpers import refusal

from delrec_compile.errors import NetworkError, UnsupportedError
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
from delrec_compile.ops.channel_conv_delay import ChannelConvDelay
from delrec_compile.ops.feed import Feed
from delrec_compile.ops.synapses import Synapses

LIF = Lif(0.5)
OUT = LeakyReadout.in_graph(np.zeros(2), beta=0.5)


def dense(n: int, sources: int) -> Dense:
    return Dense(np.ones((n, sources), np.float32))


def late(n: int, sources: int) -> DenseDelay:
    return DenseDelay(np.ones((n, sources), np.float32), np.arange(sources))


def into(name: str, *projections: tuple[str, Synapses | Feed]) -> Population:
    return Population(name, LIF, tuple(Projection(*p) for p in projections))


def out(source: str = "a", sources: int = 3) -> Population:
    return Population("out", OUT, (Projection(source, dense(2, sources)),))


def convolution(stride: int = 1, peak: Window | None = None) -> Convolution:
    shape = (1, 1, 3, 3)
    return Convolution(np.ones(shape), Maps(1, 4, 4, shape, (stride, stride), (1, 1), peak=peak))


def test_an_undelayed_map_that_closes_a_cycle_takes_its_one_step() -> None:
    a = into("a", ("x", dense(3, 4)), ("b", dense(3, 5)), ("a", dense(3, 3)))
    b = into("b", ("a", dense(5, 3)))
    network = Network.of([a, b, out("b", 5)])
    first, second, _ = network.populations
    back, own = (p.synapses for p in first.projections if p.source != "x")
    assert isinstance(back, DenseDelay)
    assert isinstance(own, DenseDelay)
    assert not back.delay.any()
    assert isinstance(second.projections[0].synapses, Dense)
    assert [network.closes_cycle(first, p) for p in first.projections] == [False, True, True]
    assert network.histories == {"a": 1, "b": 1}


def test_a_convolution_that_closes_a_cycle() -> None:
    same = into("a", ("x", dense(16, 4)), ("a", convolution()))
    own = Network.of([same, out(sources=16)]).populations[0].projections[1].synapses
    assert isinstance(own, Conv2dDelay)
    b = into("b", ("a", dense(16, 4)))
    narrower = into("a", ("x", dense(4, 4)), ("b", convolution(stride=2)))
    back = Network.of([narrower, b, out(sources=4)]).populations[0].projections[1].synapses
    assert isinstance(back, ChannelConvDelay)
    sent = np.arange(16, dtype=np.float32)[None]
    want = convolution(stride=2).apply(sent)
    np.testing.assert_array_equal(back.reference(sent[:, None]), want)
    assert back.kernel.size == 9
    peaks = into("a", ("x", dense(4, 4)), ("b", convolution(peak=Window((2, 2), (2, 2)))))
    with refusal(
        UnsupportedError, "closes a cycle: a convolution with delays .* no max pooling", 4
    ):
        Network.of([peaks, b, out(sources=4)])


@pytest.mark.parametrize(
    "maps",
    [
        Maps(2, 6, 5, (2, 1, 2, 3), (2, 1), (1, 0), 2, end=(0, 2)),
        Maps(1, 7, 6, (3, 1, 3, 2), pad=(0, 2), dilation=(2, 3)),
    ],
    ids=str,
)
def test_a_convolution_of_any_shape_is_the_same_a_step_later(maps: Maps) -> None:
    r = np.random.default_rng(8)
    feed = Convolution(r.integers(-8, 9, maps.kernel) / 8, maps)
    b = into("b", ("a", dense(maps.inputs, maps.size)))
    a = into("a", ("x", dense(maps.size, 4)), ("b", feed))
    late = Network.of([a, b, out(sources=maps.size)]).populations[0].projections[1].synapses
    sent = r.integers(0, 2, (3, maps.inputs)).astype(np.float32)
    np.testing.assert_array_equal(late.reference(sent[:, None]), feed.apply(sent))


def test_max_pooling_of_spikes_fires_where_any_spike_of_a_window_is() -> None:
    window = Window((3, 2), (2, 2), (1, 0))
    pool = max_pool("pool", "a", (2, 6, 8), window)
    sent = (np.random.default_rng(2).random((3, 96)) < 0.2).astype(np.float32)
    fired = pool.current([sent[:, None]]) >= pool.model.threshold
    maps = torch.from_numpy(sent).view(3, 2, 6, 8)
    want = torch.nn.functional.max_pool2d(maps, window.size, window.stride, window.pad)
    np.testing.assert_array_equal(fired, want.flatten(1).bool().numpy())


def test_undelayed_maps_come_first_and_each_has_a_prefix() -> None:
    a = into("a", ("x", late(3, 4)), ("a", late(3, 3)), ("x", dense(3, 4)), ("x", dense(3, 4)))
    assert [(p.source, p.prefix) for p in a.projections] == [
        ("x", ""),
        ("x", "p1_"),
        ("x", "p2_"),
        ("a", ""),
    ]


def test_a_population_is_a_layer_or_a_readout() -> None:
    a = into("a", ("x", dense(3, 4)))
    assert (a.fires, a.model, out().fires, out().readout) == (True, LIF, False, OUT)
    with refusal(UnsupportedError, "'out' is a readout, which does not fire", 4):
        _ = out().model
    with refusal(UnsupportedError, "population 'a' is no readout", 4):
        _ = a.readout


A = ("x", dense(3, 4))
FAULTS: dict[str, tuple[Callable[[], object], str]] = {
    "name": (lambda: into("A b", A), "population 'A b': a name is up to 40 small letters"),
    "reserved": (lambda: into("clock", A), "is none of x, y, clock"),
    "empty": (lambda: into("a"), "population 'a' has no projection into it"),
    "sizes": (lambda: into("a", A, ("x", dense(2, 4))), "have [2, 3] receiving neurons"),
    "biases": (
        lambda: Population("a", LIF, (Projection(*A),), np.zeros(2)),
        "population 'a': 2 biases for 3 neurons",
    ),
    "constants": (
        lambda: Population("a", Lif(np.full(2, 0.5)), (Projection(*A),)),
        "population 'a': beta for 2 neurons, it has 3",
    ),
    "twice": (lambda: Network.of([into("a", A), into("a", A), out()]), "are called 'a'"),
    "no readout": (lambda: Network.of([into("a", A)]), "the network has no readout"),
    "no source": (
        lambda: Network.of([into("a", A, ("b", dense(3, 1))), out()]),
        "population 'a': its projection from 'b': no such population; there are x, a, out",
    ),
    "of a readout": (
        lambda: Network.of([into("a", A, ("out", dense(3, 2))), out()]),
        "its projection from 'out': a readout sends no spikes",
    ),
    "sources": (
        lambda: Network.of([into("a", A), out(sources=5)]),
        "its projection from 'a' takes 5 values; the population has 3 neurons",
    ),
    "no input": (
        lambda: Network.of([into("a", ("a", late(3, 3))), out()]),
        "the network takes no input; a projection from 'x' is required",
    ),
    "inputs": (
        lambda: Network.of([into("a", A, ("x", dense(3, 6))), out()]),
        "projections from the input take [4, 6] values; one size is required",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_network_is_refused_by_name(fault: str) -> None:
    make, message = FAULTS[fault]
    with refusal(NetworkError, re.escape(message), NetworkError.exit_code):
        make()


def test_a_graph_has_no_layers() -> None:
    network = Network.of([into("a", A), out()])
    with refusal(UnsupportedError, "this takes a chain of layers", 4):
        list(network.layers)
