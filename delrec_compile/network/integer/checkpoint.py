"""Integer networks in files: safetensors, with the description as JSON in the metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.aliases import Numeric
from delrec_compile.errors import CheckpointError, NetworkError
from delrec_compile.network.integer import chain_file
from delrec_compile.network.integer.checks import KERNELS
from delrec_compile.network.integer.linear import in_units
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.integer.population import (
    IntegerPopulation,
    IntegerProjection,
    IntegerReadout,
)
from delrec_compile.network.integer.synapses import IntegerConv, IntegerSynapses
from delrec_compile.network.tensor_file import DAMAGE, Tensors, network_fields, read, write
from delrec_compile.ops.conv_delay import ConvDelay
from delrec_compile.ops.feed import FEEDS, Convolution
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.registry import INTEGER_NEURONS, SYNAPSES
from delrec_compile.system.fields import parse_json

FORMAT = "delrec.integer/2"
CHAIN = "delrec.integer/1"  # of before: layers and a readout
NAME = "integer.safetensors"
OWN = "own"  # names of the arrays of a neuron model, or of synapses


def save(network: IntegerNetwork, path: Path) -> Path:
    """Writes the network, or nothing at all."""
    arrays, config = describe(network)
    return write(path, FORMAT, arrays, config)


def load(path: Path) -> IntegerNetwork:
    """Raises CheckpointError: missing, damaged, or not an integer network."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; build the artifact again")
    arrays, meta = read(path, "the integer form of a network")
    if meta.get("format") not in (FORMAT, CHAIN):
        raise CheckpointError(
            f"{path} is not an integer network (format '{meta.get('format', 'none')}', needed "
            f"'{FORMAT}'); build the artifact again"
        )
    try:
        return from_description(arrays, parse_json(meta["config"]))
    except (NetworkError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}; build the artifact again") from error


def describe(network: IntegerNetwork) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays by name, and all else as JSON values; `from_description` is the inverse."""
    arrays: dict[str, Any] = {}
    entries = [_population(p, arrays) for p in network.populations]
    return arrays, {
        "populations": entries,
        "numeric": network.numeric,
        **network_fields(network),
    }


def _population(p: IntegerPopulation, arrays: dict[str, Any]) -> dict[str, Any]:
    """Puts the arrays of a population into `arrays`; returns all else."""
    arrays |= {f"{p.name}.bias": p.bias, f"{p.name}.scale": p.scale}
    entry: dict[str, Any] = {"name": p.name, "fraction": p.fraction, "projections": []}
    if p.fires:
        own = p.model.arrays()
        entry["neuron"] = {"kind": p.model.kind, OWN: sorted(own), **p.model.attributes()}
        arrays |= {f"{p.name}.{name}": array for name, array in own.items()}
    else:
        entry["readout"] = p.readout.attributes()
    for k, each in enumerate(p.projections):
        own = each.synapses.arrays()
        facts = {"source": each.source, "prefix": each.prefix, "kind": each.synapses.kind}
        entry["projections"].append({**facts, OWN: sorted(own), **each.synapses.attributes()})
        arrays |= {f"{p.name}.{k}.{name}": array for name, array in own.items()}
    return entry


def from_description(arrays: Mapping[str, Any], config: Mapping[str, Any]) -> IntegerNetwork:
    """Raises CheckpointError for a damaged description, NetworkError for bad values."""
    left = Tensors(arrays)
    try:
        if "layers" in config:
            populations = chain_file.populations(config, left)
        else:
            populations = [_read(entry, left) for entry in config["populations"]]
        rest = {k: v for k, v in config.items() if k not in ("populations", "layers", "readout")}
        rest |= {"labels": tuple(rest["labels"]), "numeric": Numeric(rest["numeric"])}
        network = IntegerNetwork.of(populations, **rest)
    except DAMAGE as error:
        raise CheckpointError(f"the description is damaged ({error!r}); quantise again") from error
    left.require_empty()
    return network


def _read(entry: Mapping[str, Any], left: Tensors) -> IntegerPopulation:
    name = str(entry["name"])
    neuron: Any
    if "neuron" in entry:
        facts = dict(entry["neuron"])
        own = {each: left.take(f"{name}.{each}") for each in facts.pop(OWN)}
        neuron = INTEGER_NEURONS[facts.pop("kind")].from_arrays(own, facts)
    else:
        neuron = IntegerReadout(**entry["readout"])
    projections = []
    for k, each in enumerate(entry["projections"]):
        facts = dict(each)
        own = {n: left.take(f"{name}.{k}.{n}") for n in facts.pop(OWN)}
        source, prefix = facts.pop("source"), facts.pop("prefix")
        synapses = synapses_of(facts.pop("kind"), own, facts)
        projections.append(IntegerProjection(source, synapses, prefix))
    bias, scale = (left.take(f"{name}.{each}") for each in ("bias", "scale"))
    return IntegerPopulation(name, neuron, tuple(projections), bias, entry["fraction"], scale)


def synapses_of(
    kind: str, arrays: Mapping[str, Any], attributes: Mapping[str, Any]
) -> IntegerSynapses:
    """The way back from the arrays and attributes of synapses."""
    if kind == ConvDelay.kind:
        return IntegerConv(**arrays, **attributes)
    rest = dict(attributes)
    shift = rest.pop("shift")
    if kind == Convolution.kind:
        form: Any = Convolution(arrays["kernel"], Maps.of(arrays["kernel"].shape, **rest))
    else:
        form = {**FEEDS, **SYNAPSES}[kind](**arrays, **rest)
    (name,) = form.weights
    if arrays[name].dtype not in (np.int8, *KERNELS):
        raise NetworkError(f"{name} is {arrays[name].dtype}; int8, int16 or int32 is required")
    return in_units(form, arrays[name], shift)
