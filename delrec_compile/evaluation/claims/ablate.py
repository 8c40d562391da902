"""The worth of a frozen network's learned delays: accuracy without them, and with them shuffled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from delrec_compile.data.events import Events
from delrec_compile.network.classify import accuracy
from delrec_compile.network.model import Network, Synapses
from delrec_compile.ops.map_delay import MapDelay


def delays_matter(network: Network, events: Events, seed: int = 0) -> dict[str, float | None]:
    """Accuracy with all delays zero, and with each layer's shuffled among its neurons.

    Empty for a network without delays. Neurons that share their delays have none to shuffle: None.
    """
    if not network.max_delay:
        return {}
    changed = {"zeroed": with_delays(network, None), "shuffled": with_delays(network, seed)}
    return {
        name: None if n is None else accuracy(n, events.counts, events.known_labels)
        for name, n in changed.items()
    }


def with_delays(network: Network, seed: int | None) -> Network | None:
    """Delays permuted along the sending neurons by a seed, or zero for none."""
    rng, layers = np.random.default_rng(seed), []
    for layer in network.layers:
        r = layer.recurrence
        if r is not None:
            r = _zeroed(r) if seed is None else _shuffled(r, rng)
            if r is None:
                return None
        layers.append(replace(layer, recurrence=r))
    return replace(network, layers=tuple(layers))


def _zeroed(r: Synapses) -> Synapses:
    """Kernels of taps that now coincide are added up."""
    held = r.arrays()
    if not isinstance(r, MapDelay):
        now: dict[str, Any] = {"delay": held["delay"] * 0}
    else:
        now = {"delay": held["delay"][:1] * 0} if "delay" in held else {}
        now["kernel"] = held["kernel"].sum(0, keepdims=True)
    return replace(r, **now)


def _shuffled(r: Synapses, rng: np.random.Generator) -> Synapses | None:
    if isinstance(r, MapDelay):
        return None
    now: dict[str, Any] = {"delay": rng.permutation(r.arrays()["delay"], axis=-1)}
    return replace(r, **now)
