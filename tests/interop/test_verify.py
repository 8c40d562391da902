"""The check after an import tells rounding from another model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cases
import numpy as np
import pytest
from helpers import refusal

from delrec_compile.errors import ParityError
from delrec_compile.interop.result import Imported
from delrec_compile.interop.verify import verify
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
    check, unfrozen = verify(imported(weights), "my:model", 60)
    assert (check.differing, unfrozen) == (0, None)
    assert check.spikes


def test_another_model_is_refused_where_it_first_differs() -> None:
    with refusal(ParityError, "my:model: the network does not fire as a framework does", 6):
        verify(imported(1.5), "my:model", 60)


def test_rounding_before_freezing_is_counted() -> None:
    made = imported(1.5)
    frozen = replace(made, unfrozen=made.model.network)  # type: ignore[union-attr]
    check, unfrozen = verify(frozen, "my:model", 60)
    assert check.differing > 0
    assert unfrozen == 0
