"""Outputs, classes and accuracy of a frozen network on a data set, population by population."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from delrec_compile.aliases import F32
from delrec_compile.network.base import own_state, prefixed
from delrec_compile.network.lagged import Forms
from delrec_compile.network.model import INPUT, Network, Population
from delrec_compile.ops.feed import Dense, Feed
from delrec_compile.ops.readout import Readout
from delrec_compile.ops.synapses import Synapses

BATCH = 300


def outputs(network: Network, counts: npt.NDArray[Any], forms: Forms | None = None) -> F32:
    """Outputs (T, n, classes) of samples (n, T, channels), from zero state.

    forms: those of the network, where it is called more than once.

    Feed-forward products are taken over all time at once. On a snapped network every sum is exact,
    so this gives the bits of `Network.step`.
    """
    ys = [values for p, values in _values(network, counts, forms or Forms()) if not p.fires]
    return ys[0] if len(ys) == 1 else np.concatenate(ys, axis=2)


def layer_spikes(network: Network, counts: npt.NDArray[Any]) -> Iterator[F32]:
    """Yields the spikes (T, n, N) of each population on samples (n, T, channels), from zero state."""
    for p, values in _values(network, counts, Forms()):
        if p.fires:
            yield values


def classify(network: Network, counts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Class of each sample (n, T, channels), by the first readout: (n,)."""
    readout = network.readout
    parts = [counts[i : i + BATCH] for i in range(0, len(counts), BATCH)]
    size, forms = network.readouts[0].size, Forms()
    classes = [readout.classes(outputs(network, part, forms)[:, :, :size]) for part in parts]
    return np.concatenate(classes) if classes else np.zeros(0, np.int64)


def accuracy(network: Network, counts: npt.NDArray[Any], labels: npt.NDArray[np.int64]) -> float:
    """Share of samples classified correctly."""
    return float((classify(network, counts) == labels).mean())


def _values(
    network: Network, counts: npt.NDArray[Any], forms: Forms
) -> Iterator[tuple[Population, F32]]:
    """Each population with what it sends, or puts out: (T, n, N)."""
    x = np.ascontiguousarray(counts.swapaxes(0, 1), np.float32)
    x = network.rounded(x)
    if any(
        network.closes_cycle(target, each) and each.source != target.name
        for target, each in network.projections()
    ):
        yield from _stepped(network, x)
        return
    sent = {INPUT: x}
    for p in network.populations:
        sent[p.name] = _run(p, sent, forms)
        yield p, sent[p.name]


def _stepped(network: Network, x: F32) -> Iterator[tuple[Population, F32]]:
    """The same step by step, for cycles through several populations."""
    fired: list[list[F32]] = [[] for _ in network.spiking]
    state, ys = network.reset(x.shape[1]), []
    for row in x:
        y, state = network.step(row, state, [each.append for each in fired])
        ys.append(y)
    yield from ((p, np.stack(spikes)) for p, spikes in zip(network.spiking, fired, strict=True))
    ends = np.cumsum([p.size for p in network.readouts])
    parts = np.split(np.stack(ys), ends[:-1], axis=2)
    yield from zip(network.readouts, parts, strict=True)


def _run(p: Population, sent: Mapping[str, F32], forms: Forms) -> F32:
    """What a population sends, or puts out, (T, n, N), from what others sent."""
    own = [each.synapses for each in p.projections if each.source == p.name]
    drive: Any = sum(
        _forward(each.synapses, sent[each.source], forms)
        for each in p.projections
        if each.source != p.name
    )
    drive = drive + p.biases
    state = {p.prefix + name: np.zeros_like(drive[0]) for name in p.states}
    out: F32 = np.empty_like(drive)
    back = _Back(own, drive, forms)
    step = p.neuron.integrate if isinstance(p.neuron, Readout) else p.neuron.reference
    for t in range(len(drive)):
        out[t], after = step(drive[t] + back.current(t), own_state(p.prefix, p.states, state))
        state = prefixed(p.prefix, after)
        back.send(t, out[t])
    return out


class _Back:
    """What a population sends to itself. drive: (T, n, N), of its steps."""

    def __init__(self, own: Sequence[Synapses | Feed], drive: F32, forms: Forms) -> None:
        steps, samples, neurons = drive.shape
        self.own = [
            (each, forms.of_steps(each) if isinstance(each, Synapses) else None) for each in own
        ]
        self.depth = max((each.depth for each in own), default=0)
        self.sent = np.zeros((self.depth + steps if own else 0, neurons, samples), np.float32)

    def current(self, t: int) -> F32 | float:
        """Current (n, N) of a step."""
        newest = self.depth + t - 1
        return sum(
            form.current(self.sent, newest) if form else each.reference(self._line(each, newest))
            for each, form in self.own
        )

    def send(self, t: int, values: F32) -> None:
        """Keeps what was sent in a step, (n, N)."""
        if self.own:
            self.sent[self.depth + t] = values.T

    def _line(self, synapses: Synapses | Feed, newest: int) -> F32:
        """The line (n, depth, N) of synapses, newest first."""
        own = self.sent[newest + 1 - synapses.depth : newest + 1][::-1]
        return np.ascontiguousarray(own.transpose(2, 0, 1))


def _forward(synapses: Synapses | Feed, values: F32, forms: Forms) -> F32:
    """Current (T, n, N_out) of values (T, n, N_in) sent."""
    steps, samples, sources = values.shape
    if isinstance(synapses, Feed):
        rows = values.reshape(-1, sources)  # one product: many small ones take ten times as long
        dense = isinstance(synapses, Dense)
        current = rows @ synapses.matrix.T if dense else synapses.apply(rows)
        return np.asarray(current.reshape(steps, samples, -1))
    form = forms.of(synapses)
    if form is not None:
        return form.currents(values)
    depth = synapses.depth
    late = np.concatenate([np.zeros_like(values[:1]).repeat(depth - 1, 0), values])
    lines = (late[t : t + depth][::-1].swapaxes(0, 1) for t in range(steps))
    return np.stack([synapses.reference(line) for line in lines])
