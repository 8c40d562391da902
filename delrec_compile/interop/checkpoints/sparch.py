"""Checkpoints of sparch: LIF, adLIF, RLIF and RadLIF layers, and a leaky readout.

    u' = alpha (u - s) + (1 - alpha)(norm(W x) + s V - w'),   s' = u' > 1
    w' = beta w + a u + b s                                        adLIF, RadLIF

V has no diagonal. Each layer `snn.<i>` has `W`, `alpha`, perhaps `V` (recurrent), `beta`, `a`, `b`
(adaptive) and `norm`, a BatchNorm of the currents. The code keeps every constant inside its limits, so a
value beyond them counts as the limit. The last layer never fires:

    u' = alpha u + (1 - alpha) norm(W x),   output: the sum over time of softmax(u)

Source: github.com/idiap/sparch (Bittar & Garner 2022, doi 10.3389/fnins.2022.865897), models/snns.py.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator

import numpy as np

from delrec_compile.aliases import F32, F64
from delrec_compile.errors import CheckpointError, UnsupportedError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.chain import Chain
from delrec_compile.interop.delrec.content import Content
from delrec_compile.interop.linear_parts import Affine
from delrec_compile.interop.parts import Integrator, Neurons, lif_of, neuron_of
from delrec_compile.interop.result import Imported
from delrec_compile.network import grid
from delrec_compile.network.model import DenseDelay, Neuron
from delrec_compile.ops.adlif import Adlif

CODE = "sparch"
STEP_MS = 1400 / 99  # its 100 edges over 1.4 s, of SHD and SSC
KEY = re.compile(r"(?:.+\.)?snn\.(\d+)\.(.+)")
EPS = 1e-5
# constant -> least and largest value that the code lets it have
LIMITS = {
    "alpha": (math.exp(-1 / 5), math.exp(-1 / 25)),
    "beta": (math.exp(-1 / 30), math.exp(-1 / 120)),
    "a": (-1.0, 1.0),
    "b": (0.0, 2.0),
}
ADAPTIVE = ("beta", "a", "b")
NORM = ("running_mean", "running_var", "weight", "bias")
KNOWN = ("W.weight", "W.bias", "V.weight", *LIMITS, *(f"norm.{n}" for n in NORM))
COUNT = "norm.num_batches_tracked"
KINDS = ("LIF", "adLIF", "RLIF", "RadLIF")
Layers = dict[str, dict[str, F64]]


def read(
    where: str,
    content: Content,
    *,
    dt_ms: float | None = None,
    max_input: float | None = None,
    input_bits: int | None = None,
    name: str = "network",
) -> Imported:
    """The network of a state dict. where: the file, for messages.

    Raises CheckpointError, UnsupportedError, NetworkError.
    """
    layers = _layers(where, content.tensors)
    if len(layers) < 2:
        raise CheckpointError(f"{where}: one layer; neurons and a readout are required")
    chain = _chain(where, layers)
    network = chain.network(
        dt_ms=STEP_MS if dt_ms is None else dt_ms,
        max_input=max_input,
        input_bits=input_bits,
        name=name,
        decision="softmax_sum",
        notes={"imported_from": "checkpoint", "code": CODE},
    )
    remarks = tuple(chain.remarks)
    return Imported(grid.snap(network), network, "a checkpoint", remarks, names=chain.spiking)


def _chain(where: str, layers: Layers) -> Chain:
    first, *_, last = layers
    _check_one_way(where, layers)
    chain = Chain(int(_of(where, first, layers[first], "W.weight", 2).shape[1]))
    for layer, own in layers.items():
        chain.add(f"{layer}.W", _weights(where, layer, own))
        if layer == last:
            chain.add(layer, _readout(where, layer, own))
        else:
            chain.add(layer, _neurons(where, layer, own))
    told = ", ".join(f"{layer} {_kind(own)}" for layer, own in [*layers.items()][:-1])
    chain.remarks.append(
        f"{told}; threshold 1. sparch begins with random membranes and spikes, the network with none"
    )
    return chain


def _check_one_way(where: str, layers: Layers) -> None:
    """Raises UnsupportedError for layers that run backwards in time too."""
    for before, layer in itertools.pairwise(layers):
        sent = len(_of(where, before, layers[before], "W.weight", 2))
        if _of(where, layer, layers[layer], "W.weight", 2).shape[1] == 2 * sent:
            raise UnsupportedError(
                f"{where}: {before} is bidirectional: it runs backwards from the end of a sample, which "
                "no step can; train without bidirectional"
            )


def _kind(own: dict[str, F64]) -> str:
    return KINDS[("a" in own) + 2 * ("V.weight" in own)]


def _layers(where: str, tensors: dict[str, F64]) -> Layers:
    """Tensors of each layer, in order, by the rest of their names. Raises CheckpointError."""
    found: dict[int, dict[str, F64]] = {}
    for key, value in tensors.items():
        match = KEY.fullmatch(key)
        if not match or match[2] not in (*KNOWN, COUNT):
            raise CheckpointError(
                f"{where}: unknown key '{key}'; allowed: snn.<layer>.{', '.join(KNOWN)}"
            )
        if match[2] != COUNT:
            found.setdefault(int(match[1]), {})[match[2]] = value
    return {f"snn.{at}": found[at] for at in sorted(found)}


def _of(where: str, layer: str, own: dict[str, F64], key: str, axes: int) -> F64:
    """A tensor of so many axes; of one axis, a value for each neuron. Raises CheckpointError."""
    found = own.get(key)
    size = len(own["W.weight"]) if "W.weight" in own and own["W.weight"].ndim else 0
    if found is None or found.ndim != axes or not found.size or len(found) != size:
        told = "is missing" if found is None else f"has shape {list(found.shape)}"
        needed = f"[{size}]" if axes == 1 else f"{axes} axes"
        raise CheckpointError(f"{where}: {layer}.{key} {told}; {needed} are required")
    return found


def _weights(where: str, layer: str, own: dict[str, F64]) -> Affine:
    """The weights, with the BatchNorm of their currents."""
    weight = _of(where, layer, own, "W.weight", 2)
    bias = _of(where, layer, own, "W.bias", 1) if "W.bias" in own else np.zeros(len(weight))
    norms = [name for name in NORM if f"norm.{name}" in own]
    if norms and "norm.running_mean" not in own:
        raise UnsupportedError(
            f"{where}: {layer}.norm is a LayerNorm, which needs all currents of a step before the first "
            "neuron; networks have none: train with normalization batchnorm"
        )
    if not norms:
        return linear_parts.affine(weight, bias)
    mean, variance, scale, shift = (_of(where, layer, own, f"norm.{n}", 1) for n in NORM)
    factor, offset = linear_parts.batch_norm(mean, variance, EPS, scale, shift)
    return linear_parts.affine(weight * factor[:, None], bias * factor + offset)


def _neurons(where: str, layer: str, own: dict[str, F64]) -> Neurons:
    size = len(own["W.weight"])
    alpha = _limited(where, layer, own, "alpha")
    constants = {"beta": alpha, "gain": 1 - alpha, "fires": "above", "reset": "soft"}
    adaptive = [key for key in ADAPTIVE if key in own]
    neuron: Neuron
    if adaptive:
        rho, a, b = (_limited(where, layer, own, key) for key in ADAPTIVE)
        neuron = neuron_of(Adlif, size, layer, **constants, rho=rho, a=a, b=b, order="unreset")
    else:
        neuron = lif_of(size, layer, **constants)
    return Neurons(neuron, tuple(_recurrence(where, layer, own)))


def _recurrence(where: str, layer: str, own: dict[str, F64]) -> Iterator[DenseDelay]:
    if "V.weight" not in own:
        return
    weight = (
        _of(where, layer, own, "V.weight", 2).astype(np.float32).T.copy()
    )  # V is (sender, receiver)
    if weight.shape[0] != weight.shape[1]:
        raise CheckpointError(f"{where}: {layer}.V.weight has shape {list(weight.T.shape)}")
    np.fill_diagonal(weight, 0)
    yield DenseDelay(weight, np.zeros(len(weight), np.int32))


def _readout(where: str, layer: str, own: dict[str, F64]) -> Integrator:
    if {"V.weight", *ADAPTIVE} & own.keys():
        raise UnsupportedError(
            f"{where}: {layer}: the last layer fires; a readout (use_readout_layer) is required"
        )
    alpha = _limited(where, layer, own, "alpha")
    return Integrator(alpha, 1 - alpha)


def _limited(where: str, layer: str, own: dict[str, F64], key: str) -> F32:
    """A constant (N,) inside its limits."""
    low, high = (np.float32(end) for end in LIMITS[key])
    return np.clip(_of(where, layer, own, key, 1).astype(np.float32), low, high)
