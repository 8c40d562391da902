"""Graphs of populations in files: the description of each, and its arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

import numpy as np

from delrec_compile.errors import CheckpointError, NetworkError, did_you_mean
from delrec_compile.network.model import Maps, Network, Population, Projection, Readout, Synapses
from delrec_compile.network.tensor_file import Arrays, Tensors, network_fields
from delrec_compile.ops.feed import FEEDS, Convolution, Feed
from delrec_compile.ops.readout import no_weight
from delrec_compile.ops.registry import NEURONS, SYNAPSES, make_readout

DELAY = "delay"  # its tensor, int16
READOUT = "readout"  # entry of a population that is one
OWN = "own"  # names of the constants that differ from neuron to neuron


def describe_graph(network: Network) -> tuple[Arrays, dict[str, Any]]:
    """Arrays by name, and all else as JSON values; `build_graph` is the inverse."""
    arrays: Arrays = {}
    stored: list[tuple[Any, str]] = []
    entries = [_population(p, arrays, stored) for p in network.graph]
    return arrays, {"populations": entries, **network_fields(network)}


def _population(p: Population, arrays: Arrays, stored: list[tuple[Any, str]]) -> dict[str, Any]:
    """Puts the arrays of a population into `arrays`; returns its description."""
    entry: dict[str, Any] = {"name": p.name}
    neuron = p.neuron
    if isinstance(neuron, Readout):
        entry[READOUT] = neuron.attributes() | {"kind": neuron.kind}
        arrays[f"{p.name}.bias"] = neuron.bias
    else:
        own = neuron.arrays()
        entry[neuron.kind] = neuron.attributes() | ({OWN: sorted(own)} if own else {})
        arrays |= {f"{p.name}.{name}": values for name, values in own.items()}
        arrays[f"{p.name}.bias"] = p.bias
    entry["projections"] = []
    for k, each in enumerate(p.projections):
        where = f"{p.name}.{k}"
        known = next((name for synapses, name in stored if synapses is each.synapses), None)
        if known is not None:
            entry["projections"].append({"source": each.source, "same_as": known})
            continue
        stored.append((each.synapses, where))
        facts = {"source": each.source, "kind": each.synapses.kind}
        entry["projections"].append(facts | {"facts": each.synapses.attributes()})
        for name, value in each.synapses.arrays().items():
            arrays[f"{where}.{name}"] = value.astype(np.int16) if name == DELAY else value
    return entry


def build_graph(arrays: Arrays, config: Mapping[str, Any]) -> Network:
    """Raises CheckpointError, NetworkError."""
    tensors = Tensors(arrays)
    made: dict[str, Synapses | Feed] = {}
    populations = [_read(entry, tensors, made) for entry in config["populations"]]
    tensors.require_empty()
    names = ("dt_ms", "max_input", "name", "notes")
    return Network.of(
        populations,
        labels=tuple(config["labels"]),
        input_bits=config.get("input_bits"),
        **{name: config[name] for name in names},
    )


def _read(
    entry: Mapping[str, Any], tensors: Tensors, made: dict[str, Synapses | Feed]
) -> Population:
    name = str(entry["name"])
    projections = []
    for k, each in enumerate(entry["projections"]):
        if "same_as" in each:
            synapses = made[each["same_as"]]
        else:
            synapses = _synapses(f"{name}.{k}", each, tensors)
            made[f"{name}.{k}"] = synapses
        projections.append(Projection(str(each["source"]), synapses))
    bias = tensors.take(f"{name}.bias")
    if READOUT in entry:
        fields_of = dict(entry[READOUT])
        readout = make_readout(fields_of.pop("kind"), no_weight(len(bias)), bias, **fields_of)
        return Population(name, readout, tuple(projections))
    kinds = [kind for kind in NEURONS if kind in entry]
    if len(kinds) != 1:
        raise CheckpointError(f"{name}: one neuron model is required, of {', '.join(NEURONS)}")
    attributes = dict(entry[kinds[0]])
    own = {n: tensors.take(f"{name}.{n}") for n in attributes.pop(OWN, ())}
    return Population(name, NEURONS[kinds[0]](**attributes, **own), tuple(projections), bias)


def _synapses(where: str, entry: Mapping[str, Any], tensors: Tensors) -> Synapses | Feed:
    kind, facts = entry["kind"], dict(entry["facts"])
    kinds: dict[str, Any] = {**FEEDS, **SYNAPSES}
    if kind not in kinds:
        raise CheckpointError(
            f"{where}: unknown synapses '{kind}'{did_you_mean(str(kind), kinds)}; allowed: "
            f"{', '.join(kinds)}"
        )
    try:
        if kind == Convolution.kind:
            kernel = tensors.take(f"{where}.kernel")
            return Convolution(kernel, Maps.of(kernel.shape, **facts))
        names = [
            f.name for f in fields(kinds[kind]) if f.name not in facts and f.default is MISSING
        ]
        arrays = {name: tensors.take(f"{where}.{name}") for name in names}
        synapses: Synapses | Feed = kinds[kind](**arrays, **facts)
    except NetworkError as error:
        raise NetworkError(f"{where}: {error}") from error
    return synapses
