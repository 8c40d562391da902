"""What the learned delays of a frozen network are worth: without them, and with them mixed up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from delrec_compile.data.events import Events
from delrec_compile.network import ConvDelay, DenseDelay, Network
from delrec_compile.training.fold import accuracy


def delays_matter(network: Network, events: Events, seed: int = 0) -> dict[str, float]:
    """Accuracy with all delays zero, and with each layer's shuffled among its neurons.

    Empty for a network without delays.
    """
    if not network.max_delay:
        return {}
    changed = {"zeroed": with_delays(network, None), "shuffled": with_delays(network, seed)}
    return {name: accuracy(n, events.counts, events.labels) for name, n in changed.items()}


def with_delays(network: Network, seed: int | None) -> Network:
    """Delays permuted along the neurons by a seed, or zero for none."""
    rng = np.random.default_rng(seed)
    layers = []
    for layer in network.layers:
        r = layer.recurrence
        if isinstance(r, ConvDelay | DenseDelay):
            delay = r.delay * 0 if seed is None else rng.permutation(r.delay, axis=-1)
            layer = replace(layer, recurrence=replace(r, delay=delay))
        layers.append(layer)
    return replace(network, layers=tuple(layers))
