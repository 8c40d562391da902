"""A foreign model as a chain of parts, made into a network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import refusal

from delrec_compile.errors import UnsupportedError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.chain import Chain
from delrec_compile.interop.parts import Delays, Integrator, Neurons
from delrec_compile.network.model import Lif


def test_a_chain_names_a_delay_that_is_too_long() -> None:
    chain_of = Chain(2)
    chain_of.add("first", Neurons(Lif(0.5)))
    chain_of.add("wait", Delays(np.full(2, 2**32 + 3)))
    with refusal(UnsupportedError, "wait: a delay of 4294967299 steps; the longest", 4):
        chain_of.network()


def spiking(size: int = 3) -> Neurons:
    return Neurons(Lif(0.5))


def chain_of(*parts: tuple[str, Any]) -> Chain:
    chain = Chain(2)
    for name, part in parts:
        chain.add(name, part)
    return chain


FEED = linear_parts.affine(np.array([[1.0, 2], [3, 4], [5, 6]]), np.arange(3.0))


def test_parts_become_layers_and_a_readout() -> None:
    out = linear_parts.affine(np.ones((4, 3)))
    chain = chain_of(("a", FEED), ("b", spiking()), ("c", out), ("d", Integrator(0.75, 0.25)))
    network = chain.network(labels=tuple("wxyz"), decision="max")
    (layer,) = network.layers
    assert layer.weight.tolist() == FEED.weight.tolist()
    assert layer.bias.tolist() == [0, 1, 2]
    assert (network.readout.beta, network.readout.decision) == (0.75, "max")
    assert (network.readout.weight == 0.25).all()


def test_a_model_that_ends_with_spikes_counts_them() -> None:
    network = chain_of(("a", FEED), ("b", spiking())).network()
    assert (network.readout.kind, network.readout.decision) == ("linear", "sum")
    assert np.array_equal(network.readout.weight, np.eye(3))


def test_a_constant_current_is_added_to_the_bias() -> None:
    part = Neurons(Lif(0.5), constant_current=[0.5, 0.25, 0.125])
    (layer,) = chain_of(("a", FEED), ("b", part)).network().layers
    assert layer.bias.tolist() == [0.5, 1.25, 2.125]


def test_delayed_spikes_are_a_projection_with_delays() -> None:
    chain = chain_of(("a", FEED), ("b", spiking()), ("wait", Delays(np.array([0, 2, 1]))))
    network = chain.network()
    assert chain.spiking == ("b",)
    assert [p.name for p in network.populations] == ["b", "out"]
    (late,) = network.readouts[0].projections
    assert late.synapses.kind == "dense_delay"
    assert late.synapses.arrays()["delay"].tolist() == [0, 2, 1]
    none = chain_of(("a", FEED), ("b", spiking()), ("wait", Delays(np.zeros(3, np.int64))))
    assert len(none.network().layers) == 1


def test_delays_of_currents() -> None:
    """One delay of all is that of the spikes before the weights; others are those of synapses."""
    plain = linear_parts.affine(np.ones((2, 3)))
    kinds = []
    for steps in ([4, 4], [4, 3]):
        late = ("wait", Delays(np.array(steps)))
        chain = chain_of(("a", FEED), ("b", spiking()), ("w", plain), late, ("c", spiking(2)))
        (projection,) = chain.network().spiking[1].projections
        kinds.append(projection.synapses.kind)
        assert projection.synapses.depth == 5
    assert kinds == ["dense_delay", "synaptic_delay"]


REFUSED = {
    "no layer": ((("a", FEED),), "the model has no spiking layer"),
    "another size": ((("a", FEED), ("b", FEED)), "b: takes 2 values, .* sends 3"),
    "a delay of a bias": (
        (("a", FEED), ("wait", Delays(np.ones(3, np.int64))), ("b", spiking())),
        "wait: delays weights with a bias",
    ),
    "a part after the readout": (
        (("a", FEED), ("b", spiking()), ("c", Integrator(0.5)), ("d", FEED)),
        "d: comes after neurons that never fire",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_chains_that_no_network_has_are_refused(name: str) -> None:
    parts, message = REFUSED[name]
    with refusal(UnsupportedError, message, 4):
        chain_of(*parts).network()


def test_what_takes_spikes() -> None:
    late, end = ("late", Delays(np.ones(3, np.int64))), ("end", Integrator(0.5))
    assert chain_of(("a", FEED), ("b", spiking())).takes_spikes() is True
    assert chain_of(("a", FEED), ("b", spiking()), late).takes_spikes() is True
    for parts in ((), (("a", FEED),), (("a", FEED), late), (("a", FEED), end)):
        assert chain_of(*parts).takes_spikes() is False
