"""The graphs of the tests: every map on some edge of every kind, skips, shared weights, two readouts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from delrec_compile.network.model import (
    Convolution,
    CountReadout,
    Dense,
    LeakyReadout,
    Lif,
    LinearReadout,
    Maps,
    Network,
    Population,
    Projection,
    Window,
    max_pool,
)
from delrec_compile.ops.adlif import Adlif
from delrec_compile.ops.channel_conv_delay import ChannelConvDelay
from delrec_compile.ops.conv2d_delay import Conv2dDelay
from delrec_compile.ops.conv_delay import ConvDelay
from delrec_compile.ops.cuba_lif import CubaLif
from delrec_compile.ops.dense_delay import DenseDelay
from delrec_compile.ops.synaptic_delay import SynapticDelay
from delrec_compile.ops.tap_conv_delay import TapConvDelay

Generator = np.random.Generator
LEAKS = (0.75, 0.25, 0.0, 0.96875, 0.5)  # of each output


def maps(r: Generator) -> Network:
    """Delays of every kind forwards, from the inputs, and back from a later population."""

    def w(*shape: int) -> np.ndarray:
        return r.normal(size=shape) / np.sqrt(np.prod(shape[-2:]))

    def d(*shape: int) -> np.ndarray:
        return r.integers(0, 12, shape)

    a = (
        Projection("x", DenseDelay(w(2, 24, 12), d(2, 12))),
        Projection("x", TapConvDelay(w(2, 2, 1, 3), [0, 5], 12)),
        Projection("b", SynapticDelay(w(24, 18), d(24, 18))),
    )
    b = (
        Projection("a", ChannelConvDelay(w(3, 2, 3), d(24), stride=(1, 2), pad=(0, 1))),
        Projection("a", Dense(w(18, 24))),
        Projection("b", ConvDelay(w(2, 3), d(2, 18))),
        Projection("c", DenseDelay(w(18, 12), d(12))),
    )
    c = (
        Projection("b", Conv2dDelay(w(2, 2, 3, 3, 3), 2, 3)),
        Projection("x", SynapticDelay.of_receivers(w(12, 12), d(12))),
        Projection("c", TapConvDelay(w(2, 3, 3), [1, 4], 4)),
    )
    out = Projection("c", Dense(w(5, 12))), Projection("b", DenseDelay(w(5, 18), d(18)))
    return Network.of(
        [
            Population("a", Lif(0.7), a, w(24, 1)[:, 0]),
            Population("b", Lif(0.5, reset="soft"), b, w(3, 1)[:, 0]),
            Population("c", Lif(0.8, fires="above"), c),
            Population("out", LeakyReadout.in_graph(np.zeros(5), beta=LEAKS), out),
        ],
        max_input=31,
    )


def shared(r: Generator) -> Network:
    """Weights that several edges share, a convolution, other neuron models, and two readouts."""

    def w(*shape: int) -> np.ndarray:
        return r.normal(size=shape) / np.sqrt(np.prod(shape[1:]))

    late = DenseDelay(w(9, 9), r.integers(0, 7, 9))
    dense = Dense(w(9, 9))
    seen = Convolution(w(3, 1, 2, 3), Maps(1, 4, 5, (3, 1, 2, 3), (2, 2), (0, 1)))
    into = Projection("x", Dense(w(9, 20)))
    return Network.of(
        [
            Population("first", CubaLif(0.5, 0.7), (into, Projection("third", late))),
            Population(
                "maps",
                Adlif(0.7, 0.9, 0.05, 0.2),
                (Projection("x", seen),),
                np.array([0.1, 0, 0.2]),
            ),
            Population("second", Lif(0.6), (Projection("first", dense), Projection("first", late))),
            Population(
                "third",
                Lif(0.9, refractory=2),
                (
                    Projection("second", dense),
                    Projection("maps", Dense(w(9, 18))),
                    Projection("third", late),
                ),
            ),
            Population(
                "sum", CountReadout.in_graph(np.ones(4)), (Projection("third", Dense(w(4, 9))),)
            ),
            Population(
                "now",
                LinearReadout.in_graph(np.zeros(2)),
                (
                    Projection("maps", SynapticDelay(w(2, 18), r.integers(0, 9, (2, 18)))),
                    Projection("x", Dense(w(2, 20))),
                ),
            ),
        ],
        max_input=2,
    )


def pools(r: Generator) -> Network:
    """Convolutions of every shape, back too; max pooling of spikes and of sums, average pooling."""

    def w(*shape: int) -> np.ndarray:
        return r.normal(size=shape) / np.sqrt(np.prod(shape[1:]))

    spread = Maps(1, 8, 9, (4, 1, 3, 2), pad=(2, 1), dilation=(2, 2))  # 4 x 8 x 9
    grouped = Maps(4, 4, 5, (6, 2, 2, 3), (2, 1), (0, 1), 2, end=(-1, 2))  # 6 x 1 x 6
    back = Maps(6, 1, 6, (4, 3, 1, 2), (1, 1), (0, 1), 2, end=(0, 0))  # 4 x 1 x 6
    own = Maps(4, 1, 6, (4, 1, 1, 3), pad=(0, 1), groups=4)
    peaks = Maps(4, 4, 5, (3, 4, 3, 2), pad=(1, 0), peak=Window((2, 3), (2, 1), (1, 0)))
    mean = Convolution.pooling((4, 8, 9), Window((4, 3), (4, 3)), 1 / 16)  # 4 x 2 x 3
    return Network.of(
        [
            Population("seen", Lif(0.6), (Projection("x", Convolution(w(4, 1, 3, 2), spread)),)),
            max_pool("top", "seen", (4, 8, 9), Window((2, 2), (2, 2), end=(0, 1))),
            Population(
                "grouped", Lif(0.7), (Projection("top", Convolution(w(6, 2, 2, 3), grouped)),)
            ),
            Population(
                "late",
                Lif(0.5, reset="soft"),
                (
                    Projection("grouped", Convolution(w(4, 3, 1, 2), back)),
                    Projection("seen", mean),
                    Projection("late", Convolution(w(4, 1, 1, 3), own)),
                ),
            ),
            Population("peaks", Lif(0.8), (Projection("top", Convolution(w(3, 4, 3, 2), peaks)),)),
            Population(
                "out",
                LeakyReadout.in_graph(np.zeros(5), beta=0.75),
                (
                    Projection("late", Dense(w(5, 24))),
                    Projection("peaks", Dense(w(5, peaks.size))),
                ),
            ),
        ],
        max_input=2,
    )


GRAPHS: dict[str, Callable[[Generator], Network]] = {
    "graph_maps": maps,
    "graph_shared": shared,
    "graph_pools": pools,
}
