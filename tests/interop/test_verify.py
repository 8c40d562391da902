"""The check after an import tells rounding from another model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cases
import numpy as np
import pytest
from fixtures.chaos import chaotic
from helpers import refusal

from delrec_compile.errors import ParityError
from delrec_compile.interop.result import Imported
from delrec_compile.interop.verify import verify
from delrec_compile.network.grid import snap
from delrec_compile.network.grid_choice import wide_layers
from delrec_compile.network.model import Network
from delrec_compile.runners.reference import ReferenceRunner


class Model:
    """A network in the part of the framework's own model."""

    name = "a framework"

    def __init__(self, network: Network) -> None:
        self.network = network

    def spikes(self, x: Any) -> list[Any]:
        return list(ReferenceRunner(self.network).trace(x).spikes)


def imported(weights: float | None) -> Imported:
    """An import whose model has its first weights times a number; None: no model that runs."""
    network = cases.network("dense")
    if weights is None:
        return Imported(network, network, "a file")
    first, *rest = network.layers
    other = replace(first, weight=np.float32(weights) * first.weight)
    model = Model(replace(network, layers=(other, *rest)))
    return Imported(network, network, "a framework", (), model)


@pytest.mark.parametrize("weights", [None, 1.0])
def test_equal_spikes_need_no_second_check(weights: float | None) -> None:
    found = verify(imported(weights), "my:model", 60)
    assert (found.check.differing, found.before_freezing, found.on_int16) == (0, None, None)
    assert found.check.spikes


def test_another_model_is_refused_where_it_first_differs() -> None:
    with refusal(ParityError, "my:model: the network does not fire as a framework does", 6):
        verify(imported(1.5), "my:model", 60)


def test_rounding_before_freezing_is_counted() -> None:
    made = imported(1.5)
    frozen = replace(made, unfrozen=made.model.network)  # type: ignore[union-attr]
    found = verify(frozen, "my:model", 60, chooses_grid=False)
    assert found.check.differing > 0
    assert found.before_freezing == 0
    assert found.on_int16 is None
    assert found.imported is frozen


def test_silence_proves_nothing() -> None:
    network = cases.network("dense")
    dead = tuple(replace(layer, bias=np.full_like(layer.bias, -100.0)) for layer in network.layers)
    silent = replace(network, layers=dead)
    for model in (None, Model(silent)):
        made = Imported(silent, silent, "a framework", (), model)
        with refusal(ParityError, "my:model: no neuron fires .*--allow-silent", 6):
            verify(made, "my:model", 20)
        found = verify(made, "my:model", 20, allow_silent=True)
        assert found.check.firing.silent
    x = np.zeros((20, 1, network.inputs), np.float32)
    with refusal(ParityError, "20 steps of the samples .0.0% of the inputs", 6):
        verify(made, "my:model", 20, x=x)


def test_a_silent_layer_is_told() -> None:
    network = cases.network("dense")
    *rest, last = network.layers
    quiet = replace(last, bias=np.full_like(last.bias, -100.0))
    made = Imported(*[replace(network, layers=(*rest, quiet))] * 2, "a framework")
    found = verify(made, "my:model", 60)
    assert found.check.firing.silent_layers == (len(rest),)


def test_the_density_is_the_one_asked_for() -> None:
    found = verify(imported(None), "my:model", 60, density=0.5)
    assert found.check.density == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("runs", [True, False], ids=["model", "before freezing"])
def test_a_chaotic_recurrence_gets_the_fine_grid(runs: bool) -> None:
    """Its spikes are kept, and the number of those that 16 bits lose is told."""
    network = chaotic()
    model = Model(network) if runs else None
    made = Imported(snap(network), network, "a framework", (), model)
    found = verify(made, "my:model", 60)
    assert found.on_int16 is not None
    assert found.check.differing < found.on_int16
    assert wide_layers(found.imported.network) == (1,)
    assert found.imported.model is model
    kept = verify(made, "my:model", 60, chooses_grid=False)
    assert kept.check.differing == found.on_int16
