"""What would fit: advice that the next build does not refuse."""

import re
from dataclasses import replace

import cases
import numpy as np

from delrec_compile import targets
from delrec_compile.aliases import Numeric
from delrec_compile.compiler.fitting import smaller
from delrec_compile.network.model import Layer, Lif, Network
from delrec_compile.ops.leaky_readout import LeakyReadout

M4 = targets.load("cortex_m4")


def network(neurons, **changed):
    weight = np.zeros((neurons, 100), np.float32)
    layer = Layer(weight, np.zeros(neurons, np.float32), Lif(0.5))
    readout = LeakyReadout(np.zeros((2, neurons), np.float32), np.zeros(2, np.float32), 0.5)
    return replace(Network((layer,), readout), **changed)


def test_a_narrower_mode_that_fits_is_named():
    text = smaller(network(4000), M4, Numeric.FLOAT32)  # 1.6 MB of 1 MB
    assert re.fullmatch(r"in int16 it takes about \d+ KB: --numeric int16", text)
    text = smaller(network(8000), M4, Numeric.INT16)
    assert text.endswith("--numeric int8")


def test_a_mode_that_is_refused_or_too_large_is_not():
    for net, mode in (
        (network(20_000), Numeric.FLOAT32),
        (network(20_000), Numeric.INT8),
        (cases.network("frontend"), Numeric.FLOAT32),
    ):
        small = replace(M4, memory=replace(M4.memory, flash=(0, 1)))
        text = smaller(net, small, mode)
        assert "--numeric" not in text
        assert re.search(r"layer \d holds [\d,]+ of its [\d,]+ weights: make it smaller, or", text)
        named = text.split("more memory: ")[1].split(", ")
        assert "portable_c" in named
        assert "cuda" not in named
        for name in named:
            memory = targets.load(name).memory
            assert memory is None or memory.map.flash.size > net.parameters()


def test_the_largest_population_of_a_graph_is_named():
    small = replace(M4, memory=replace(M4.memory, flash=(0, 1)))
    text = smaller(cases.network("graph_maps"), small, Numeric.INT8)
    assert text.startswith(("population 'a' holds ", "population 'b' holds "))
