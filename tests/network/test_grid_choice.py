"""The choice of a grid by the spikes that it keeps."""

from __future__ import annotations

import cases
import pytest

from delrec_compile.errors import UsageError
from delrec_compile.network.grid import exact, grids, snap
from delrec_compile.network.grid_choice import checked, choose, wide_layers
from delrec_compile.network.model import Network


@pytest.mark.parametrize("needed", [(0,), (1,), (0, 1)])
def test_only_the_layers_that_need_it_become_fine(needed: tuple[int, ...]) -> None:
    network = cases.network("off_grid")
    coarse = snap(network)

    def differing(trial: Network) -> int:
        return 7 * len(set(needed) - set(wide_layers(trial)))

    chosen = choose(network, coarse, differing)
    assert wide_layers(chosen) == needed
    assert wide_layers(coarse) == ()
    assert exact(chosen)
    assert grids(chosen)[-1] == grids(coarse)[-1]  # the readout


def test_equal_spikes_keep_16_bits() -> None:
    network = cases.network("off_grid")
    coarse = snap(network)
    assert choose(network, coarse, lambda _: 0) is coarse


def test_a_fine_grid_that_loses_as_many_is_not_taken() -> None:
    network = cases.network("off_grid")
    coarse = snap(network)
    assert choose(network, coarse, lambda _: 5) is coarse


def test_names_of_grids() -> None:
    assert [checked(name) for name in ("auto", "int16", "fine")] == ["auto", "int16", "fine"]
    with pytest.raises(UsageError, match="grid is 'x'; allowed: auto, int16, fine"):
        checked("x")
