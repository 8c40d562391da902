"""Networks in files: safetensors, with the description as JSON in the metadata. No pickle, ever."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.errors import CheckpointError, NetworkError, did_you_mean
from delrec_compile.network.model import RECURRENCES, Layer, Lif, Maps, Network, Readout, Recurrence
from delrec_compile.system.files import write_atomic

FORMAT = "delrec.network/1"
BUNDLED = ("conv_delay_256", "conv_delay_320_2_heads", "dense_delay_256")
DELAY = "delay"  # its tensor, int16
OWN = "own"  # which constants each neuron has of its own
PICKLES = {".pt", ".pth", ".pkl", ".pickle"}
Arrays = dict[str, NDArray[Any]]


def bundled(name: str = BUNDLED[0]) -> Path:
    """Path of a network that ships with the package."""
    return Path(str(resources.files("delrec_compile.bundled") / f"{name}.safetensors"))


def save(network: Network, path: Path | str, *, force: bool = True) -> Path:
    """Writes the network, whole or not at all."""
    from safetensors.numpy import save as to_bytes

    path = Path(path)
    if path.exists() and not force:
        raise CheckpointError(f"{path} exists; add --force to replace it")
    arrays, config = _describe(network)
    raw = to_bytes(
        arrays, metadata={"format": FORMAT, "config": json.dumps(config, sort_keys=True)}
    )
    write_atomic(path, canonical(raw))
    return path


def load(source: Path | str = "conv_delay_256") -> Network:
    """Reads a network file, or a bundled network by name.

    Raises CheckpointError: missing, truncated, foreign, pickled, wrong keys or shapes, bad values.
    """
    path = _locate(source)
    arrays, meta = open_file(path)
    if meta.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is a safetensors file, but not a network of this project "
            f"(format '{meta.get('format', 'none')}', needed '{FORMAT}'); "
            "make one with 'delrec-compile train'"
        )
    try:
        return _build(arrays, json.loads(meta["config"]))
    except (NetworkError, CheckpointError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{path}: its description is damaged ({error!r}); make it again "
            "with 'delrec-compile train'"
        ) from error


def digest(network: Network) -> str:
    """sha256 over arrays and description: equal networks, equal digest."""
    arrays, config = _describe(network)
    h = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for name in sorted(arrays):
        h.update(f"{name}{arrays[name].shape}{arrays[name].dtype}".encode())
        h.update(arrays[name].tobytes())
    return h.hexdigest()


def canonical(raw: bytes) -> bytes:
    """The same file with its header in sorted order: safetensors shuffles the metadata."""
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.dumps(json.loads(raw[8:start]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + raw[start:]


def _locate(source: Path | str) -> Path:
    path = Path(source)
    if str(source) in BUNDLED:
        return bundled(str(source))
    if not path.exists():
        known = ", ".join(BUNDLED)
        raise CheckpointError(
            f"{path}: no such file{did_you_mean(str(source), BUNDLED)}; "
            f"give a .safetensors file or a bundled network ({known})"
        )
    if not path.is_file():
        raise CheckpointError(f"{path} is not a file; a .safetensors file is needed")
    return path


def _is_pickle(path: Path) -> bool:
    """By name, or the zip of torch.save, or a pickle's first two bytes; it is never unpickled.

    Only for files that are not safetensors: the length those begin with can look the same.
    """
    with path.open("rb") as file:
        head = file.read(4)
    opens_stream = head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    return path.suffix in PICKLES or head == b"PK\x03\x04" or opens_stream


def open_file(path: Path) -> tuple[Arrays, dict[str, str]]:
    """Arrays and metadata of a safetensors file. Raises CheckpointError."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            meta = dict(file.metadata() or {})
            return {name: file.get_tensor(name) for name in file.keys()}, meta  # noqa: SIM118
    except PermissionError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        if _is_pickle(path):
            raise CheckpointError(
                f"{path} is a pickle, which can run code when opened; allowed: .safetensors "
                "(save the arrays with safetensors)"
            ) from error
        raise CheckpointError(
            f"{path} is not a whole safetensors file ({error}); it is foreign or cut short: "
            "copy it again, or make one with 'delrec-compile train'"
        ) from error


def _describe(network: Network) -> tuple[Arrays, dict[str, Any]]:
    arrays: Arrays = {}
    layers = []
    for i, layer in enumerate(network.layers):
        arrays[f"layers.{i}.weight"] = layer.weight
        arrays[f"layers.{i}.bias"] = layer.bias
        lif, own = layer.lif.attributes(), layer.lif.arrays()
        entry: dict[str, Any] = {"lif": lif | ({OWN: sorted(own)} if own else {})}
        entry["recurrence"] = None
        arrays |= {f"layers.{i}.lif_{name}": values for name, values in own.items()}
        entry |= {} if layer.maps is None else {"maps": layer.maps.attributes()}
        r = layer.recurrence
        if r is not None:
            entry["recurrence"] = r.kind
            entry |= {"facts": r.attributes()} if r.attributes() else {}
            for name, value in r.arrays().items():
                arrays[_recurrent(i, name)] = value.astype(np.int16) if name == DELAY else value
        layers.append(entry)
    out = network.readout
    arrays |= {"readout.weight": out.weight, "readout.bias": out.bias}
    config = {
        "layers": layers,
        "readout": {"beta": out.beta, "decision": out.decision}
        | ({} if out.kind == "leaky" else {"kind": out.kind}),
        "dt_ms": network.dt_ms,
        "max_input": network.max_input,
        "labels": list(network.labels),
        "name": network.name,
        "notes": dict(network.notes),
    }
    return arrays, config


def _recurrent(layer: int, name: str) -> str:
    return f"layers.{layer}.{name if name == DELAY else 'recurrent_' + name}"


def _lif(facts: dict[str, Any], layer: int, take: Callable[[str], Any]) -> Lif:
    """The numbers that each neuron has of its own are tensors."""
    own = {n: take(f"layers.{layer}.lif_{n}") for n in facts.get(OWN, ())}
    return Lif(**{k: v for k, v in facts.items() if k != OWN}, **own)


def _recurrence(entry: dict[str, Any], layer: int, take: Callable[[str], Any]) -> Recurrence | None:
    kind = entry["recurrence"]
    if kind is None:
        return None
    if kind not in RECURRENCES:
        raise CheckpointError(
            f"layers.{layer}: unknown recurrence '{kind}'; allowed: {', '.join(RECURRENCES)}"
        )
    made = RECURRENCES[kind]
    facts = entry.get("facts", {})
    arrays = {f.name: take(_recurrent(layer, f.name)) for f in fields(made) if f.name not in facts}
    return made(**arrays, **facts)


def _build(arrays: Arrays, config: dict[str, Any]) -> Network:
    left = dict(arrays)

    def take(name: str) -> NDArray[Any]:
        if name not in left:
            raise CheckpointError(
                f"no tensor '{name}'{did_you_mean(name, left)}; "
                f"there are: {', '.join(sorted(arrays))}"
            )
        return left.pop(name)

    layers = []
    for i, entry in enumerate(config["layers"]):
        recurrence = _recurrence(entry, i, take)
        weight, bias = take(f"layers.{i}.weight"), take(f"layers.{i}.bias")
        maps = Maps.of(weight.shape, **entry["maps"]) if "maps" in entry else None
        layers.append(Layer(weight, bias, _lif(entry["lif"], i, take), recurrence, maps))
    readout = Readout(take("readout.weight"), take("readout.bias"), **config["readout"])
    if left:
        raise CheckpointError(
            f"tensors that the description does not name: {', '.join(sorted(left))}"
        )
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
    )
