"""The choice of grids by their cost in spikes: `fine` for the layers that need it."""

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
    """The network on the grid `fine` where fewer spikes then differ, layer by layer, else `coarse`.

    coarse: `unfrozen` on its coarser grid. differing: number of spikes in which a network differs
    from what it should fire. A layer stays at 16 bits if no more spikes differ; so does the readout,
    which fires none.
    """
    fewest = differing(coarse)
    if not fewest:
        return coarse
    fine = [i for i, p in enumerate(unfrozen.populations) if p.fires]
    best = snap(unfrozen, FINE, fine)
    count = differing(best)
    if count >= fewest:
        return coarse
    for layer in wide_layers(best):
        fewer = [i for i in fine if i != layer]
        trial = snap(unfrozen, FINE, fewer)
        if fewer and (now := differing(trial)) <= count:
            best, count, fine = trial, now, fewer
    return best


def wide_layers(network: Network) -> tuple[int, ...]:
    """Numbers of the populations that fire, with weights of more than 16 bits."""
    return tuple(
        i
        for i, (p, q) in enumerate(zip(network.populations, grid.grids(network), strict=True))
        if p.fires and q is not None and any(grid.row_bits(w, q) > 16 for w in grid.weight_rows(p))
    )
