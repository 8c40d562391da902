"""Units joined by paths, made into a chain or into a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from helpers import refusal

from delrec_compile.errors import UnsupportedError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.assembly import Unit, Units, names_of
from delrec_compile.interop.parts import Delays, Integrator, Neurons
from delrec_compile.interop.paths import Path
from delrec_compile.network.model import INPUT, Lif
from delrec_compile.ops.dense_delay import DenseDelay

W = np.arange(6.0).reshape(3, 2)
BIASED = linear_parts.affine(W, np.ones(3))
BACK = linear_parts.affine(np.eye(3))
LATE = Delays(np.array([0, 1, 2]))


def path(source: str, *parts: Any, size: int = 3) -> Path:
    return Path(source, tuple((f"n{k}", p) for k, p in enumerate(parts)), size)


def unit(name: str, *paths: Path, part: Any = None) -> Unit:
    return Unit(name, part or Neurons(Lif(0.5)), paths)


FIRST = unit("l.0", path(INPUT, BIASED, size=2))
OUT = Unit("out", Integrator(0.5, 0.25), (path("l.0", BACK),))


def test_a_row_of_units_is_a_chain() -> None:
    back = DenseDelay(np.eye(3, dtype=np.float32), np.arange(3, dtype=np.int32))
    own = Neurons(Lif(0.5), (back,), np.ones(3))
    network = Units(2, [unit("l.0", path(INPUT, BIASED, size=2), part=own), OUT]).network()
    (layer,) = network.layers
    assert layer.recurrence is back
    assert layer.bias.tolist() == [2, 2, 2]
    assert np.array_equal(network.readout.weight, np.eye(3) / 4)


def test_other_units_are_a_graph() -> None:
    skip = path("l.0", LATE, BACK)
    units = Units(
        2, [FIRST, unit("L 1", path("l.0", BACK), skip), Unit("out", None, (path("L 1"),))]
    )
    network = units.network(decision="max", labels=("a", "b", "c"))
    assert [p.name for p in network.populations] == ["l_0", "l_1", "out"]
    assert [p.synapses.kind for p in network.spiking[1].projections] == ["dense", "dense_delay"]
    assert network.readout.decision == "max"
    assert units.remarks == [
        "the network is a graph of 3 populations: l_0 ('l.0'), l_1 ('L 1'), out"
    ]
    assert units.spiking == ("l.0", "L 1")


def test_paths_with_the_same_parts_share_their_weights() -> None:
    both = [unit(name, Path("l.0", (("n", LATE), ("w", BACK)), 3)) for name in "ab"]
    ends = (path("a"), path("b"))
    network = Units(2, [FIRST, *both, Unit("out", None, ends)]).network()
    first, second = (p.projections[0].synapses for p in network.spiking[1:])
    assert first is second


def test_sums_of_other_sizes_are_refused() -> None:
    with refusal(UnsupportedError, r"b: takes the sum of \[2, 3\] values", 4):
        Units(2, [FIRST, unit("b", path("l.0"), path(INPUT, size=2)), OUT]).network()


def test_names_are_those_of_c() -> None:
    told = names_of(["0.LIF", "0_lif", "y", "x" * 60])
    assert told["0.LIF"] == "p0_lif"
    assert told["0_lif"] == "p0_lif_2"
    assert names_of(["a", "A", "a.", "b"]) == {"a": "a", "A": "a_2", "a.": "a_3", "b": "b"}
    assert len(set(told.values())) == 4
    assert "y" not in told.values()
    assert max(map(len, told.values())) <= 40


def test_parts_are_told_once_and_in_their_order() -> None:
    units = Units(2, [FIRST, unit("b", Path("l.0", (("n0", BIASED), ("w", BACK)), 3)), OUT])
    told = [(name, part) for name, part in units.parts()]
    parts = [BIASED, FIRST.part, BACK, units.units[1].part, BACK, OUT.part]
    assert [name for name, _ in told] == ["n0", "l.0", "w", "b", "n0", "out"]
    assert all(part is own for (_, part), own in zip(told, parts, strict=True))


def test_a_readout_with_a_current_of_its_own() -> None:
    out = Unit("out", Integrator(0.5, 0.25, 0.75, "old"), (path("l.0", BACK),))
    readout = Units(2, [FIRST, out]).network().readout
    assert (readout.kind, readout.alpha, readout.enters) == ("synaptic", 0.75, "old")


def test_biases_of_maps_of_one_place() -> None:
    one = linear_parts.convolution(np.ones((3, 2, 1)), np.arange(3.0), (2, 1), 1, 0)
    (layer,) = (
        Units(2, [unit("l", path(INPUT, one, size=2)), Unit("out", None, (path("l"),))])
        .network()
        .layers
    )
    assert layer.maps is not None
    assert layer.bias.tolist() == [0, 1, 2]
