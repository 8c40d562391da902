"""Files of integer networks of before: layers, each with an optional recurrence, and a readout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from delrec_compile.network.integer.linear import in_units
from delrec_compile.network.integer.population import (
    IntegerPopulation,
    IntegerProjection,
    IntegerReadout,
)
from delrec_compile.network.integer.synapses import IntegerConv, IntegerSynapses
from delrec_compile.network.population import INPUT
from delrec_compile.network.state import READOUT, layer_prefix
from delrec_compile.network.tensor_file import Tensors
from delrec_compile.ops.conv_delay import ConvDelay
from delrec_compile.ops.dense_delay import DenseDelay
from delrec_compile.ops.feed import Dense
from delrec_compile.ops.integer_lif import IntegerLif


def populations(config: Mapping[str, Any], left: Tensors) -> list[IntegerPopulation]:
    """From a description, and the arrays that are left to take."""
    out, source = [], INPUT
    for i, entry in enumerate(config["layers"]):
        name, where = layer_prefix(i)[:-1], f"layers.{i}."
        feed = IntegerProjection(source, _feed(where, entry, left))
        back = _recurrence(where, entry, left)
        own = (feed,) if back is None else (feed, IntegerProjection(name, back))
        neuron = _neuron(where, entry, left)
        out.append(_population(name, neuron, own, where, entry, left))
        source = name
    entry = dict(config["readout"])
    into = IntegerProjection(source, _feed("readout.", entry, left))
    readout = IntegerReadout(entry["beta"], entry["decision"], entry["kind"])
    out.append(_population(READOUT[:-1], readout, (into,), "readout.", entry, left))
    return out


def _population(
    name: str,
    neuron: Any,
    projections: tuple[IntegerProjection, ...],
    where: str,
    entry: Mapping[str, Any],
    left: Tensors,
) -> IntegerPopulation:
    bias, scale = (left.take(where + each) for each in ("bias", "scale"))
    return IntegerPopulation(name, neuron, projections, bias, entry["fraction"], scale)


def _feed(where: str, entry: Mapping[str, Any], left: Tensors) -> IntegerSynapses:
    weight = left.take(f"{where}weight")
    return in_units(Dense(np.zeros(weight.shape, np.float32)), weight, entry["fraction"])


def _neuron(where: str, entry: Mapping[str, Any], left: Tensors) -> IntegerLif:
    names = [n for n in ("threshold", "v_reset", "drop", "beta") if where + n in left]
    own = {name: left.take(where + name) for name in names}
    shared = {} if "beta" in own else {"beta": entry["beta"]}
    return IntegerLif({**shared, **own}, {"reset": entry["reset"]})


def _recurrence(where: str, entry: Mapping[str, Any], left: Tensors) -> IntegerSynapses | None:
    """Dense weights are in the units of the layer's weight."""
    facts = entry["recurrence"]
    if not facts:
        return None
    delay = left.take(f"{where}re_delay")
    if facts["kind"] == ConvDelay.kind:
        return IntegerConv(left.take(f"{where}re_kernel"), delay, facts["shift"])
    weight = left.take(f"{where}re_weight")
    return in_units(
        DenseDelay(np.zeros(weight.shape, np.float32), delay), weight, entry["fraction"]
    )
