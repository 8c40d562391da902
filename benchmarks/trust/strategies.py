"""Strategies of hypothesis: networks of every kind, their numeric modes, and damage of files."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from benchmarks import drawn, drawn_graphs
from benchmarks.trust.mutations import KINDS, Damage
from delrec_compile.network.model import Network

SEEDS = st.integers(0, 2**31 - 1)


@dataclass(frozen=True)
class Drawn:
    """A network by its seed, which an error can name."""

    seed: int
    graph: bool

    def network(self) -> Network:
        return (drawn_graphs.uncalibrated if self.graph else drawn.uncalibrated)(self.seed)


def networks() -> st.SearchStrategy[Drawn]:
    """Chains and graphs over all ops, delays, neurons, heads and kinds of input."""
    return st.builds(Drawn, SEEDS, st.booleans())


def numerics() -> st.SearchStrategy[str]:
    return st.sampled_from(("int8", "int16"))


def damages() -> st.SearchStrategy[Damage]:
    """The first and the last bytes are hit as often as all between."""
    place = st.one_of(st.floats(0, 1), st.sampled_from((0.0, 1.0)), st.floats(0, 0.02))
    return st.builds(Damage, st.sampled_from(KINDS), place, st.integers(1, 64), SEEDS)
