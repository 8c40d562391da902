"""The projections whose spikes are pushed, and that it changes no bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cases
import pytest
from fixtures.staged import artifact_here
from fixtures.traces import same

from delrec_compile.compiler.kernels.current_rings import rings_of
from delrec_compile.compiler.kernels.float32 import compose
from delrec_compile.compiler.kernels.integer import compose_integer
from delrec_compile.network.grid import grids
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.model import Network
from delrec_compile.runners.emulated.core import EmulatedRunner
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.targets import load
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


@pytest.mark.parametrize("numeric", ["float32", "int8"])
def test_c_text_that_pushes_gives_the_bits_of_the_reference(numeric: str, tmp_path: Path) -> None:
    """With fewer instructions, where a delay line is as long as its synapses are many."""
    network, x = cases.network("synaptic"), cases.counts(cases.CASES["synaptic"], steps=30)
    own, cost = load("cortex_m4").schedules[0].schedule, {}
    for synapses in ("pull", "push"):
        folder = tmp_path / synapses
        folder.mkdir()
        schedule = replace(own, synapses=synapses)
        artifact = artifact_here(network, "cortex_m4", folder, numeric=numeric, schedule=schedule)
        runner = EmulatedRunner(artifact)
        same(runner.trace(x), ReferenceRunner(artifact.integer or network).trace(x))
        cost[synapses] = sum(runner.instructions)
    assert cost["push"] < cost["pull"]


def test_the_state_of_an_integer_network_holds_currents() -> None:
    state = compose_integer(quantise(cases.network("synaptic"), "int8"), PUSH).state
    assert state["l0_ring"][1] == "int32"
