"""The choice of grids by their cost in spikes: `fine` for the populations that need it."""

from __future__ import annotations

from collections.abc import Callable

from delrec_compile.errors import UsageError
from delrec_compile.network import grid
from delrec_compile.network.grid import AUTO, FINE, GRIDS, snap
from delrec_compile.network.model import Network


def checked(name: str) -> str:
    """The name of a grid, or `auto`. Raises UsageError."""
    if name not in (AUTO, *GRIDS):
        raise UsageError(f"grid is '{name}'; allowed: {', '.join((AUTO, *GRIDS))}")
    return name


def choose(unfrozen: Network, coarse: Network, differing: Callable[[Network], int]) -> Network:
    """The network on the grid `fine` where fewer spikes then differ, population by population.

    coarse: `unfrozen` on its coarser grid, which is the result where none then differ fewer. differing:
    number of spikes in which a network differs from what it should fire. A population stays at 16 bits
    if no more spikes differ; so do the readouts, which fire none.
    """
    fewest = differing(coarse)
    if not fewest:
        return coarse
    fine = [i for i, p in enumerate(unfrozen.populations) if p.fires]
    best = snap(unfrozen, FINE, fine)
    count = differing(best)
    if count >= fewest:
        return coarse
    for number in wide_layers(best):
        fewer = [i for i in fine if i != number]
        trial = snap(unfrozen, FINE, fewer)
        if fewer and (now := differing(trial)) <= count:
            best, count, fine = trial, now, fewer
    return best


def wide_layers(network: Network) -> tuple[int, ...]:
    """Numbers of the populations that fire whose weights have more than 16 bits."""
    return tuple(
        i
        for i, (p, q) in enumerate(zip(network.populations, grid.grids(network), strict=True))
        if p.fires and q is not None
        if any(bits > 16 for _, bits in grid.row_widths(network, p, q))
    )
