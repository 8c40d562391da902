"""Networks in files: safetensors, with the description as JSON in the metadata. No pickle, ever."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.bundled import DEFAULT, NETWORKS
from delrec_compile.errors import CheckpointError, NetworkError
from delrec_compile.network.base import UNNAMED
from delrec_compile.network.graph_file import build_graph, describe_graph
from delrec_compile.network.model import Layer, Maps, Network, Neuron, Synapses
from delrec_compile.network.tensor_file import DAMAGE, Arrays, Tensors, network_fields, read, write
from delrec_compile.ops.registry import NEURONS, SYNAPSES, make_readout
from delrec_compile.system.fields import parse_json
from delrec_compile.system.recognise import wrong_file

FORMAT = "delrec.network/1"
GRAPH = "delrec.network/2"  # populations and projections; a chain keeps the first format
BUNDLED = NETWORKS
DELAY = "delay"  # its tensor, int16
OWN = "own"  # names of the constants that differ from neuron to neuron
STEM = 60  # letters of a file's name that name a network
DEFAULT_READOUT = "leaky"  # kind of a description that names none
NEEDED = f"a .safetensors network or the name of a bundled one ({', '.join(BUNDLED)})"


def bundled(name: str = DEFAULT) -> Path:
    """Path of a network that ships with the package."""
    return Path(str(resources.files("delrec_compile.bundled") / f"{name}.safetensors"))


def save(network: Network, path: Path | str, *, force: bool = True) -> Path:
    """Writes the network, or nothing at all.

    Raises CheckpointError if the file exists, unless `force`.
    """
    path = Path(path)
    if path.exists() and not force:
        raise CheckpointError(f"{path} exists; add force=True to replace it")
    return write(path, GRAPH if network.graph else FORMAT, *_describe(network))


def load(source: Path | str = DEFAULT) -> Network:
    """Reads a network file, or a bundled network by name. One that was saved unnamed is named after it.

    Raises CheckpointError: missing, truncated, foreign, pickled, wrong keys or shapes, bad values.
    """
    path = _locate(source)
    arrays, meta = read(path, NEEDED)
    if meta.get("format") not in (FORMAT, GRAPH):
        raise CheckpointError(
            f"{wrong_file(path, NEEDED)} (its format is '{meta.get('format', 'none')}')"
        )
    build = build_graph if meta["format"] == GRAPH else _build
    try:
        return named_after(build(arrays, parse_json(meta["config"])), path)
    except (NetworkError, CheckpointError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    except DAMAGE as error:
        raise CheckpointError(
            f"{path}: its description is damaged ({error!r}); make it again "
            "with 'delrec-compile train'"
        ) from error


def named_after(network: Network, path: Path) -> Network:
    """The network, named after its file where it has no name of its own."""
    return replace(network, name=path.stem[:STEM]) if network.name == UNNAMED else network


def digest(network: Network) -> str:
    """sha256 over arrays and description: equal networks, equal digest."""
    arrays, config = _describe(network)
    h = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for name in sorted(arrays):
        h.update(f"{name}{arrays[name].shape}{arrays[name].dtype}".encode())
        h.update(arrays[name].tobytes())
    return h.hexdigest()


def _locate(source: Path | str) -> Path:
    path = Path(source)
    if str(source) in BUNDLED:
        return bundled(str(source))
    if not path.is_file():
        raise CheckpointError(wrong_file(path, NEEDED))
    return path


def _describe(network: Network) -> tuple[Arrays, dict[str, Any]]:
    if network.graph:
        return describe_graph(network)
    arrays: Arrays = {}
    layers = [_describe_layer(i, layer, arrays) for i, layer in enumerate(network.layers)]
    out = network.readout
    arrays |= {"readout.weight": out.weight, "readout.bias": out.bias}
    kind = {} if out.kind == DEFAULT_READOUT else {"kind": out.kind}
    return arrays, {
        "layers": layers,
        "readout": out.attributes() | kind,
        **network_fields(network),
    }


def _describe_layer(i: int, layer: Layer, arrays: Arrays) -> dict[str, Any]:
    """Puts the arrays of a layer into `arrays`; returns its description."""
    arrays[f"layers.{i}.weight"] = layer.weight
    arrays[f"layers.{i}.bias"] = layer.bias
    neuron, own = layer.neuron, layer.neuron.arrays()
    entry: dict[str, Any] = {neuron.kind: neuron.attributes() | ({OWN: sorted(own)} if own else {})}
    entry["recurrence"] = None
    arrays |= {f"layers.{i}.{neuron.kind}_{name}": values for name, values in own.items()}
    if layer.maps is not None:
        entry["maps"] = layer.maps.attributes()
    r = layer.recurrence
    if r is not None:
        entry["recurrence"] = r.kind
        entry |= {"facts": r.attributes()} if r.attributes() else {}
        for name, value in r.arrays().items():
            arrays[_recurrent(i, name)] = value.astype(np.int16) if name == DELAY else value
    return entry


def _recurrent(layer: int, name: str) -> str:
    return f"layers.{layer}.{name if name == DELAY else 'recurrent_' + name}"


@contextmanager
def _keyed(layer: int, keys: Mapping[str, str]) -> Iterator[None]:
    """Names the tensor of a NetworkError by its key in the file, or its layer. keys: by argument."""
    try:
        yield
    except NetworkError as error:
        name = re.split(r"[ \[]", str(error))[0]
        where = keys.get(name, f"layers.{layer}: {name}")
        raise NetworkError(where + str(error)[len(name) :]) from error


def _neuron(entry: dict[str, Any], layer: int, tensors: Tensors) -> Neuron:
    """The entry of the model's name; constants that differ from neuron to neuron are tensors."""
    kinds = [kind for kind in NEURONS if kind in entry]
    if len(kinds) != 1:
        raise CheckpointError(
            f"layers.{layer}: one neuron model is required, of {', '.join(NEURONS)}"
        )
    kind = kinds[0]
    attributes = dict(entry[kind])
    own = {n: tensors.take(f"layers.{layer}.{kind}_{n}") for n in attributes.pop(OWN, ())}
    with _keyed(layer, {}):
        return NEURONS[kind](**attributes, **own)


def _recurrence(entry: dict[str, Any], layer: int, tensors: Tensors) -> Synapses | None:
    kind = entry["recurrence"]
    if kind is None:
        return None
    if kind not in SYNAPSES:
        raise CheckpointError(
            f"layers.{layer}: unknown recurrence '{kind}'; allowed: {', '.join(SYNAPSES)}"
        )
    cls, attributes = SYNAPSES[kind], entry.get("facts", {})
    names = [f.name for f in fields(cls) if f.name not in attributes and f.default is MISSING]
    arrays = {name: tensors.take(_recurrent(layer, name)) for name in names}
    with _keyed(layer, {name: _recurrent(layer, name) for name in names}):
        return cls(**arrays, **attributes)


def _build(arrays: Arrays, config: dict[str, Any]) -> Network:
    tensors = Tensors(arrays)
    layers = []
    for i, entry in enumerate(config["layers"]):
        recurrence = _recurrence(entry, i, tensors)
        weight, bias = tensors.take(f"layers.{i}.weight"), tensors.take(f"layers.{i}.bias")
        neuron = _neuron(entry, i, tensors)
        with _keyed(i, {n: f"layers.{i}.{n}" for n in ("weight", "bias")}):
            maps = Maps.of(weight.shape, **entry["maps"]) if "maps" in entry else None
            layers.append(Layer(weight, bias, neuron, recurrence, maps))
    out = dict(config["readout"])
    kind = out.pop("kind", DEFAULT_READOUT)
    weight, bias = tensors.take("readout.weight"), tensors.take("readout.bias")
    try:
        readout = make_readout(kind, weight, bias, **out)
    except NetworkError as error:
        raise NetworkError(str(error).replace("readout ", "readout.", 1)) from error
    tensors.require_empty()
    texts = [config["name"], *config["labels"]]
    if not (all(isinstance(s, str) for s in texts) and isinstance(config["notes"], dict)):
        raise TypeError("name and labels must be text, notes a table")
    return Network(
        tuple(layers),
        readout,
        dt_ms=config["dt_ms"],
        max_input=config["max_input"],
        labels=tuple(config["labels"]),
        name=config["name"],
        notes=config["notes"],
        input_bits=config.get("input_bits"),
    )
