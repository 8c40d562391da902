"""Populations in their order and the projections between them: what any form of a network is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from delrec_compile.network.population import INPUT
from delrec_compile.network.state import HISTORY, State, StateVar


class Graph:
    """Mixed into the forms of a network, which have `populations`.

    A population has a name, a prefix, a size, `states`, `projections`, and `fires` unless it is a
    readout; a projection has a source, and `synapses` with sources and depth.
    """

    membrane_dtype: ClassVar[str]
    spike_dtype: ClassVar[str]

    @property
    def input_dtype(self) -> str:
        """dtype of the history of the input in the reference."""
        return self.spike_dtype

    @property
    def _all(self) -> tuple[Any, ...]:
        populations: tuple[Any, ...] = self.populations  # type: ignore[attr-defined]
        return populations

    @property
    def spiking(self) -> tuple[Any, ...]:
        """The populations that fire, in their order."""
        return tuple(p for p in self._all if p.fires)

    @property
    def readouts(self) -> tuple[Any, ...]:
        """The populations that make the outputs, in their order."""
        return tuple(p for p in self._all if not p.fires)

    def projections(self) -> Iterator[tuple[Any, Any]]:
        """Every projection with its target, as (target, projection)."""
        for population in self._all:
            for projection in population.projections:
                yield population, projection

    def closes_cycle(self, target: Any, projection: Any) -> bool:
        """Whether a projection comes from its target or from a later population."""
        return self._order[projection.source] >= self._order[target.name]

    @cached_property
    def _order(self) -> dict[str, int]:
        """Place of each source in the order of the step."""
        return {name: i for i, name in enumerate([INPUT, *(p.name for p in self._all)])}

    @cached_property
    def histories(self) -> dict[str, int]:
        """Steps of history of each source that the step reads, by its name."""
        out: dict[str, int] = {}
        for target, projection in self.projections():
            steps = projection.synapses.depth - (not self.closes_cycle(target, projection))
            out[projection.source] = max(steps, out.get(projection.source, 0))
        return {name: out[name] for name in self._order if out.get(name, 0)}

    @property
    def inputs(self) -> int:
        """Values of x of a step."""
        return int(next(p.synapses.sources for _, p in self.projections() if p.source == INPUT))

    @property
    def outputs(self) -> int:
        """Values of y of a step."""
        return sum(p.size for p in self.readouts)

    def state(self) -> tuple[StateVar, ...]:
        """The state in its canonical order."""
        out = self._history(INPUT, self.inputs, "inputs", self.input_dtype)
        for p in self._all:
            out += [
                StateVar(p.prefix + name, (p.size,), meaning, self.membrane_dtype)
                for name, meaning in p.states.items()
            ]
            out += self._history(p.name, p.size, "spikes", self.spike_dtype)
        return tuple(out)

    def _history(self, source: str, size: int, what: str, dtype: str) -> list[StateVar]:
        depth = self.histories.get(source, 0)
        name, meaning = f"{source}_{HISTORY}", f"{what}, newest first"
        return [StateVar(name, (depth, size), meaning, dtype)] if depth else []

    def lines(
        self, target: Any, now: Mapping[str, NDArray[Any]], state: State
    ) -> list[NDArray[Any]]:
        """What each projection of a population reads: (batch, depth, sources), newest first.

        now: values of this step by source, as far as they are known. state: before the step.
        """
        return [self._line(target, each, now, state) for each in target.projections]

    def _line(
        self, target: Any, projection: Any, now: Mapping[str, NDArray[Any]], state: State
    ) -> NDArray[Any]:
        source, depth = projection.source, projection.synapses.depth
        history = state.get(f"{source}_{HISTORY}")
        if self.closes_cycle(target, projection):
            return np.asarray(state[f"{source}_{HISTORY}"][:, :depth])
        newest = now[source][:, None]
        if depth == 1 or history is None:
            return np.asarray(newest)
        return np.concatenate([newest, history[:, : depth - 1]], axis=1)

    def after(self, now: Mapping[str, NDArray[Any]], state: State) -> State:
        """The histories after a step."""
        out: State = {}
        for source in self.histories:
            name = f"{source}_{HISTORY}"
            kind = self.input_dtype if source == INPUT else self.spike_dtype
            out[name] = pushed(now[source], state[name]).astype(kind)
        return out


def pushed(spikes: NDArray[Any], history: NDArray[Any]) -> NDArray[Any]:
    """The history (batch, depth, N) after a step: spikes (batch, N) first."""
    return np.concatenate([spikes[:, None], history[:, :-1]], axis=1)
