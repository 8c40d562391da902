"""Checkpoints of SE-adLIF: layers of adaptive neurons, and a leaky readout.

Each layer has `weight`, `bias`, perhaps `recurrent`, and time constants: `tau_u_trainer` of the
membrane, `tau_w_trainer` of the adaptation current. They are given, or a share between `tau_min` and
`tau_max`. A layer without `a` and `b` is LIF neurons; the last one never fires.

The file has neither the order of the adaptation (SE: symplectic, or EF: Euler) nor the factor q of `a`
and `b`: they are those of a recipe.

Source: github.com/IGITUGraz/SE-adlif (Baronig et al., arXiv 2408.07517), models/alif.py, li.py, lif.py
and config/experiment/.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from delrec_compile.aliases import F32, F64
from delrec_compile.errors import CheckpointError, UnsupportedError, UsageError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.chain import Chain
from delrec_compile.interop.delrec.content import Content
from delrec_compile.interop.parts import Integrator, Neurons, lif_of, neuron_of
from delrec_compile.interop.result import Imported
from delrec_compile.network import grid
from delrec_compile.network.model import DenseDelay, Neuron
from delrec_compile.ops.adlif import Adlif

CODE = "SE-adLIF"
STEP_MS = 4.0  # window_size 4 of steps of 1 ms, of SHD and SSC
SSC_CLASSES = 35
U, W = "tau_u_trainer", "tau_w_trainer"
TRAINER = ("weight", "tau_min", "tau_max")
KNOWN = ("weight", "bias", "recurrent", "a", "b")


@dataclass(frozen=True)
class Recipe:
    """order: of `ops.adlif`. q: factor of a and b. script: where it is published."""

    order: str
    q: float
    script: str


RECIPES = {
    "se-adlif": Recipe("symplectic", 120.0, "SHD_SE_adLIF.yaml, SSC_SE_adLIF.yaml"),
    "ef-adlif": Recipe("euler", 60.0, "SHD_EF_adLIF.yaml, SSC_EF_adLIF.yaml"),
}


def read(
    where: str,
    content: Content,
    *,
    recipe: str | None = None,
    q: float | None = None,
    dt_ms: float | None = None,
    max_input: float | None = None,
    input_bits: int | None = None,
    name: str = "network",
) -> Imported:
    """The network of a state dict. where: the file, for messages. q: in place of that of the recipe.

    Raises CheckpointError, UnsupportedError, UsageError, NetworkError.
    """
    layers = _layers(where, content.tensors)
    if len(layers) < 2:
        raise CheckpointError(f"{where}: one layer; neurons and a readout are required")
    taken = _chosen(where, any("a" in own for own in layers.values()), recipe, q)
    chain = _chain(where, layers, taken)
    classes = len(layers[[*layers][-1]]["weight"])
    options: dict[str, Any] = {"max_input": max_input, "input_bits": input_bits, "name": name}
    network = chain.network(
        dt_ms=STEP_MS if dt_ms is None else dt_ms,
        decision="mean" if classes == SSC_CLASSES else "softmax_sum",
        notes={"imported_from": "checkpoint", "code": CODE},
        **options,
    )
    remarks = tuple(chain.remarks)
    return Imported(grid.snap(network), network, "a checkpoint", remarks, names=chain.spiking)


def _chain(where: str, layers: dict[str, dict[str, F64]], recipe: Recipe | None) -> Chain:
    first, *_, last = layers
    chain = Chain(int(_of(where, first, layers[first], "weight", 2).shape[1]))
    for layer, own in layers.items():
        weight, bias = _of(where, layer, own, "weight", 2), _of(where, layer, own, "bias", 1)
        chain.add(layer, linear_parts.affine(weight, bias))
        if layer == last:
            chain.add(f"{layer}.readout", Integrator(*_readout(where, layer, own)))
        else:
            chain.add(f"{layer}.neurons", _neurons(where, layer, own, recipe))
    if recipe is not None:
        chain.remarks.append(
            f"neurons of {recipe.script}: {recipe.order} adaptation, q {recipe.q:g}, threshold 1; "
            "--recipe and --q change them"
        )
    return chain


def _layers(where: str, tensors: dict[str, F64]) -> dict[str, dict[str, F64]]:
    """Tensors of each layer, by the rest of their names. Raises CheckpointError."""
    names = dict.fromkeys(
        key.removesuffix(f".{U}.weight") for key in tensors if key.endswith(f".{U}.weight")
    )
    layers: dict[str, dict[str, F64]] = {name: {} for name in names}
    known = {*KNOWN, *(f"{trainer}.{part}" for trainer in (U, W) for part in TRAINER)}
    for key, value in tensors.items():
        layer = next((n for n in names if key.startswith(f"{n}.")), None)
        last = key.removeprefix(f"{layer}.")
        if layer is None or last not in known:
            raise CheckpointError(f"{where}: unknown key '{key}'; allowed: <layer>.{KNOWN[0]}, ..")
        layers[layer][last] = value
    return layers


def _chosen(where: str, adapts: bool, name: str | None, q: float | None) -> Recipe | None:
    """The recipe; None for LIF neurons, which need none."""
    if not adapts:
        return None
    if name is None:
        listed = ", ".join(f"{n} (q {r.q:g}: {r.script})" for n, r in RECIPES.items())
        raise UnsupportedError(
            f"{where}: the file does not tell the order of its adaptation, nor its factor q; choose a "
            f"recipe (--recipe, and --q for another q): {listed}"
        )
    if name not in RECIPES:
        raise UsageError(f"unknown recipe '{name}'; allowed: {', '.join(RECIPES)}")
    taken = RECIPES[name]
    if q is None:
        return taken
    if not (np.isfinite(q) and q > 0):
        raise UsageError(f"q is {q}; a positive number is required")
    return Recipe(taken.order, float(q), taken.script)


def _of(where: str, layer: str, own: dict[str, F64], key: str, axes: int) -> F64:
    """A tensor of so many axes. Raises CheckpointError."""
    if key not in own or own[key].ndim != axes or not own[key].size:
        found = f"has shape {list(own[key].shape)}" if key in own else "is missing"
        raise CheckpointError(f"{where}: {layer}.{key} {found}; {axes} axes are required")
    return own[key]


def _neurons(where: str, layer: str, own: dict[str, F64], recipe: Recipe | None) -> Neurons:
    """The neurons of a layer, with their recurrence. Raises CheckpointError, UnsupportedError."""
    size = len(own["weight"])
    beta = _decay(where, layer, own, U)
    constants: dict[str, Any] = {"beta": beta, "gain": 1 - beta, "fires": "above"}
    neuron: Neuron
    if recipe is not None and "a" in own:
        rho = _decay(where, layer, own, W)
        scale = (1 - rho) * np.float32(recipe.q)
        a, b = (scale * _of(where, layer, own, key, 1) for key in "ab")
        constants |= {"rho": rho, "a": a, "b": b, "order": recipe.order}
        neuron = neuron_of(Adlif, size, layer, **constants)
    else:
        neuron = lif_of(size, layer, **constants)
    if "recurrent" not in own:
        return Neurons(neuron)
    weight = _of(where, layer, own, "recurrent", 2).astype(np.float32)
    if weight.shape != (size, size):
        raise CheckpointError(
            f"{where}: {layer}.recurrent has shape {list(weight.shape)}; [{size}, {size}] is required"
        )
    return Neurons(neuron, (DenseDelay(weight, np.zeros(size, np.int32)),))


def _readout(where: str, layer: str, own: dict[str, F64]) -> tuple[F32, F32]:
    """beta and gain of each output. Raises UnsupportedError."""
    if {"a", "recurrent"} & own.keys():
        raise UnsupportedError(
            f"{where}: {layer}: the last layer fires; a leaky readout is required"
        )
    beta = _decay(where, layer, own, U)
    return beta, 1 - beta


def _decay(where: str, layer: str, own: dict[str, F64], trainer: str) -> F32:
    """exp(-1 / tau) of each neuron. Raises CheckpointError, UnsupportedError."""
    name = f"{where}: {layer}.{trainer}"
    weight, low, high = (own.get(f"{trainer}.{part}") for part in TRAINER)
    if weight is None or low is None or high is None or low.size != 1 or high.size != 1:
        raise CheckpointError(f"{name}: {', '.join(TRAINER)} are required")
    if weight.shape != (len(own["weight"]),):
        raise CheckpointError(f"{name}.weight has shape {list(weight.shape)}")
    least, most = float(low.ravel()[0]), float(high.ravel()[0])
    share = bool((weight >= 0).all() and (weight <= 1).all())
    given = bool((weight >= least).all() and (weight <= most).all())
    if share == given and least != most:
        doubt = (
            "may be a share between, or one of," if share else "is no share between, nor one of,"
        )
        raise UnsupportedError(f"{name}.weight {doubt} the time constants {least:g} to {most:g}")
    w = weight.astype(np.float32)
    tau = w if given else w * np.float32(most) + (1 - w) * np.float32(least)
    if not (tau > 0).all():
        raise CheckpointError(f"{name}: a time constant of {tau.min():g}; above 0 is required")
    return np.exp(np.float32(-1) / tau)
