"""Integer networks in files: safetensors, with the description as JSON in the metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.aliases import Ints, Numeric
from delrec_compile.errors import CheckpointError, NetworkError
from delrec_compile.network.integer.layers import IntegerLayer, IntegerReadout
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.integer.synapses import IntegerSynapses, from_arrays
from delrec_compile.network.tensor_file import DAMAGE, Tensors, network_fields, read, write
from delrec_compile.ops.maps import Maps
from delrec_compile.system.fields import parse_json

FORMAT = "delrec.integer/1"
NAME = "integer.safetensors"
BACK = "re_"  # prefix of the arrays of a recurrence


def save(network: IntegerNetwork, path: Path) -> Path:
    """Writes the network, or nothing at all."""
    arrays, config = describe(network)
    return write(path, FORMAT, arrays, config)


def load(path: Path) -> IntegerNetwork:
    """Raises CheckpointError: missing, damaged, or not an integer network."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; build the artifact again")
    arrays, meta = read(path, "the integer form of a network")
    if meta.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is not an integer network (format '{meta.get('format', 'none')}', needed "
            f"'{FORMAT}'); build the artifact again"
        )
    try:
        return from_description(arrays, parse_json(meta["config"]))
    except (NetworkError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}; build the artifact again") from error


def describe(network: IntegerNetwork) -> tuple[dict[str, Ints], dict[str, Any]]:
    """Arrays by name, and all else as JSON values; `from_description` is the inverse."""
    arrays: dict[str, Ints] = {}
    layers = []
    for i, layer in enumerate(network.layers):
        entry = _split(layer, f"layers.{i}.", arrays)
        r = layer.recurrence
        entry["recurrence"] = None if r is None else {"kind": r.kind, **r.attributes()}
        if r is not None:
            arrays |= {f"layers.{i}.{BACK}{name}": array for name, array in r.arrays().items()}
        if layer.maps is not None:
            entry["maps"] = layer.maps.attributes()
        layers.append(entry)
    config = {
        "layers": layers,
        "readout": _split(network.readout, "readout.", arrays),
        "numeric": network.numeric,
        **network_fields(network),
    }
    return arrays, config


def from_description(arrays: Mapping[str, Ints], config: Mapping[str, Any]) -> IntegerNetwork:
    """Raises CheckpointError for a damaged description, NetworkError for bad values."""
    left = Tensors(arrays)
    try:
        layers = []
        for i, entry in enumerate(config["layers"]):
            own = _gather(IntegerLayer, f"layers.{i}.", left)
            values = {k: v for k, v in entry.items() if k not in ("recurrence", "maps")}
            maps = entry.get("maps") and Maps.of(own["weight"].shape, **entry["maps"])
            recurrence = _recurrence(entry, f"layers.{i}.{BACK}", left)
            layers.append(IntegerLayer(**values, **own, recurrence=recurrence, maps=maps))
        out = IntegerReadout(**config["readout"], **_gather(IntegerReadout, "readout.", left))
        rest = {k: v for k, v in config.items() if k not in ("layers", "readout")}
        rest |= {"labels": tuple(rest["labels"]), "numeric": Numeric(rest["numeric"])}
        network = IntegerNetwork(tuple(layers), out, **rest)
    except DAMAGE as error:
        raise CheckpointError(f"the description is damaged ({error!r}); quantise again") from error
    left.require_empty()
    return network


def _recurrence(entry: Mapping[str, Any], prefix: str, left: Tensors) -> IntegerSynapses | None:
    """Files of dense_delay without a shift are in the units of the layer's weight."""
    if not entry["recurrence"]:
        return None
    values = {"shift": entry["fraction"], **entry["recurrence"]}
    own = {
        name: left.take(prefix + name)
        for name in ("kernel", "weight", "delay")
        if prefix + name in left
    }
    return from_arrays(values.pop("kind"), own, values)


def _split(part: Any, prefix: str, arrays: dict[str, Ints]) -> dict[str, Any]:
    """Puts the arrays of a part into `arrays`; returns all other fields."""
    values = {}
    for f in fields(part):
        value = getattr(part, f.name)
        if isinstance(value, np.ndarray):
            arrays[prefix + f.name] = value
        elif f.name not in ("recurrence", "maps"):
            values[f.name] = value
    return values


def _gather(kind: Any, prefix: str, left: Tensors) -> dict[str, Any]:
    return {f.name: left.take(prefix + f.name) for f in fields(kind) if prefix + f.name in left}
