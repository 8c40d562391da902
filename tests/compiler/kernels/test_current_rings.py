"""The projections whose spikes are pushed, and that it changes no bit."""

from __future__ import annotations

from dataclasses import replace

import cases
import pytest

from delrec_compile.compiler.kernels.current_rings import rings_of
from delrec_compile.compiler.kernels.float32 import compose
from delrec_compile.compiler.kernels.integer import compose_integer
from delrec_compile.network.grid import grids
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.model import Network
from delrec_compile.targets.schedule import Schedule

PUSH = Schedule(4, 4, "scan", synapses="push")


def _sums(network: Network) -> list[str]:
    return ["float32"] * len(network.populations)


def test_only_synapses_with_a_delay_each_are_pushed(monkeypatch: pytest.MonkeyPatch) -> None:
    network = cases.network("all_kinds")
    (ring,) = rings_of(network, PUSH, _sums(network)).values()
    assert (ring.lanes, ring.dtype) == (4, "float32")
    assert not rings_of(network, replace(PUSH, synapses="pull"), _sums(network))
    assert not rings_of(network, PUSH, [None] * len(network.populations))
    monkeypatch.setattr("delrec_compile.compiler.kernels.current_rings.LARGEST", 16)
    assert not rings_of(network, PUSH, _sums(network))


def test_sums_that_round_keep_their_order() -> None:
    network = cases.network("synaptic")
    rings = [compose(network, PUSH, grids=g).state for g in (grids(network), ())]
    assert [state["l0_ring"][1] for state in rings] == ["float32", "uint32"]


def test_the_state_of_an_integer_network_holds_currents() -> None:
    state = compose_integer(quantise(cases.network("synaptic"), "int8"), PUSH).state
    assert state["l0_ring"][1] == "int32"
