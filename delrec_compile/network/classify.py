"""Outputs, classes and accuracy of a frozen network on a data set, population by population."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from delrec_compile.aliases import F32
from delrec_compile.network.base import own_state, prefixed, pushed
from delrec_compile.network.model import INPUT, Network, Population, Projection
from delrec_compile.ops.feed import Dense, Feed
from delrec_compile.ops.readout import Readout
from delrec_compile.ops.synapses import Synapses

BATCH = 300
LARGEST_LINES = 1 << 25  # values in the lines of `_matrices`


def outputs(network: Network, counts: npt.NDArray[Any]) -> F32:
    """Outputs (T, n, classes) of samples (n, T, channels), from zero state.

    Feed-forward products are taken over all time at once. On a snapped network every sum is exact,
    so this gives the bits of `Network.step`.
    """
    ys = [values for p, values in _values(network, counts) if not p.fires]
    return ys[0] if len(ys) == 1 else np.concatenate(ys, axis=2)


def layer_spikes(network: Network, counts: npt.NDArray[Any]) -> Iterator[F32]:
    """Yields the spikes (T, n, N) of each population on samples (n, T, channels), from zero state."""
    for p, values in _values(network, counts):
        if p.fires:
            yield values


def classify(network: Network, counts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Class of each sample (n, T, channels), by the first readout: (n,)."""
    readout = network.readout
    parts = [counts[i : i + BATCH] for i in range(0, len(counts), BATCH)]
    size = network.readouts[0].size
    classes = [readout.classes(outputs(network, part)[:, :, :size]) for part in parts]
    return np.concatenate(classes) if classes else np.zeros(0, np.int64)


def accuracy(network: Network, counts: npt.NDArray[Any], labels: npt.NDArray[np.int64]) -> float:
    """Share of samples classified correctly."""
    return float((classify(network, counts) == labels).mean())


def _values(network: Network, counts: npt.NDArray[Any]) -> Iterator[tuple[Population, F32]]:
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
        sent[p.name] = _run(p, sent)
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


def _run(p: Population, sent: Mapping[str, F32]) -> F32:
    """What a population sends, or puts out, (T, n, N), from what others sent."""
    own = [each for each in p.projections if each.source == p.name]
    drive: Any = sum(
        _forward(each.synapses, sent[each.source]) for each in p.projections if each not in own
    )
    drive = drive + p.biases
    state = {p.prefix + name: np.zeros_like(drive[0]) for name in p.states}
    out: F32 = np.empty_like(drive)
    history = _silence(own, drive)
    for t in range(len(drive)):
        current = drive[t]
        for each in own:
            current = current + each.synapses.reference(history[:, : each.synapses.depth])
        step = p.neuron.integrate if isinstance(p.neuron, Readout) else p.neuron.reference
        out[t], after = step(current, own_state(p.prefix, p.states, state))
        state = prefixed(p.prefix, after)
        if own:
            history = pushed(out[t], history)
    return out


def _silence(own: list[Projection], drive: F32) -> F32:
    """A history (n, depth, N) without spikes, as deep as a population reads of its own."""
    depth = max((each.synapses.depth for each in own), default=0)
    return np.zeros((drive.shape[1], depth, drive.shape[2]), np.float32)


def _forward(synapses: Synapses | Feed, values: F32) -> F32:
    """Current (T, n, N_out) of values (T, n, N_in) sent."""
    steps, samples, sources = values.shape
    if isinstance(synapses, Feed):
        rows = values.reshape(-1, sources)  # one product: many small ones take ten times as long
        dense = isinstance(synapses, Dense)
        current = rows @ synapses.matrix.T if dense else synapses.apply(rows)
        return np.asarray(current.reshape(steps, samples, -1))
    depth = synapses.depth
    if depth * sources**2 > LARGEST_LINES:
        late = np.concatenate([np.zeros_like(values[:1]).repeat(depth - 1, 0), values])
        lines = (late[t : t + depth][::-1].swapaxes(0, 1) for t in range(steps))
        return np.stack([synapses.reference(line) for line in lines])
    current = np.zeros((steps, samples, synapses.size), np.float32)
    for lag, matrix in enumerate(_matrices(synapses)):
        if lag < steps and matrix.any():
            rows = values[: steps - lag].reshape(-1, sources)
            current[lag:] += (rows @ matrix).reshape(steps - lag, samples, -1)
    return current


def _matrices(synapses: Synapses) -> Iterator[F32]:
    """Matrix (N_in, N_out) of each lag."""
    for lag in range(synapses.depth):
        line = np.zeros((synapses.sources, synapses.depth, synapses.sources), np.float32)
        line[:, lag] = np.eye(synapses.sources)
        yield synapses.reference(line)
