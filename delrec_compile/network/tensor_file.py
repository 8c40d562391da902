"""Files of arrays with a description: safetensors, the description as JSON in the metadata."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from delrec_compile.errors import CheckpointError, did_you_mean
from delrec_compile.network.base import BaseNetwork
from delrec_compile.system.files import write_atomic
from delrec_compile.system.recognise import Kind, recognise, wrong_file

Arrays = dict[str, NDArray[Any]]
# kinds of files that may be a damaged network
UNCLEAR = (Kind.NETWORK, Kind.INTEGER, Kind.TENSORS, Kind.OTHER)
CHECKSUM = "sha256"  # its key in the metadata; files of other writers have none
OWN_FORMATS, OWN_KEYS = "delrec.", {"format", "config", CHECKSUM}  # of files that `write` made
# what a description raises that holds other things than those expected
DAMAGE = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, MemoryError)


class Tensors:
    """Arrays of a file, each to be taken once."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._left = dict(arrays)
        self._names = sorted(arrays)

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str) -> NDArray[Any]:
        """Raises CheckpointError if there is none of this name."""
        if name not in self._left:
            raise CheckpointError(
                f"no tensor '{name}'{did_you_mean(name, self._left)}; "
                f"there are: {', '.join(self._names)}"
            )
        return self._left.pop(name)

    def require_empty(self) -> None:
        """Raises CheckpointError if a tensor was not taken."""
        if self._left:
            raise CheckpointError(
                f"tensors missing from the description: {', '.join(sorted(self._left))}"
            )


def network_fields(network: BaseNetwork[Any, Any]) -> dict[str, Any]:
    """The fields of a network that are neither layers nor arrays, as JSON holds them."""
    real = {} if network.input_bits is None else {"input_bits": network.input_bits}
    return {
        **real,
        "dt_ms": network.dt_ms,
        "max_input": network.max_input,
        "labels": list(network.labels),
        "name": network.name,
        "notes": dict(network.notes),
    }


def write(path: Path, format: str, arrays: Arrays, config: dict[str, Any]) -> Path:
    """Writes a file, or nothing at all. format: name of the format in the metadata."""
    from safetensors.numpy import save as to_bytes

    meta = {"format": format, "config": json.dumps(config, sort_keys=True)}
    meta[CHECKSUM] = _checksum(arrays, meta)
    write_atomic(path, _canonical(to_bytes(arrays, metadata=meta)))
    return path


def _checksum(arrays: Arrays, meta: Mapping[str, str]) -> str:
    """sha256 over the tensors and the metadata, itself left out."""
    own = {key: value for key, value in meta.items() if key != CHECKSUM}
    h = hashlib.sha256(json.dumps(own, sort_keys=True).encode())
    for name in sorted(arrays):
        h.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        h.update(arrays[name].tobytes())
    return h.hexdigest()


def _canonical(raw: bytes) -> bytes:
    """The same file with its header sorted: safetensors shuffles the metadata."""
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.dumps(json.loads(raw[8:start]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + raw[start:]


def read(path: Path, needed: str) -> tuple[Arrays, dict[str, str]]:
    """Arrays and metadata of a safetensors file. needed: what it should hold, for errors.

    Raises CheckpointError, also for a file that differs from its own checksum.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            meta: dict[str, str] = dict(file.metadata() or {})
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except PermissionError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    except (SafetensorError, OSError, ValueError, TypeError, MemoryError) as error:
        if recognise(path).kind not in UNCLEAR:
            raise CheckpointError(wrong_file(path, needed)) from error
        raise CheckpointError(
            f"{path} is not a complete safetensors file ({error}), and {needed} is required; "
            "it is another kind of file, or truncated: copy it again, "
            "or make one with 'delrec-compile train'"
        ) from error
    if meta.get("format", "").startswith(OWN_FORMATS) and (odd := sorted(set(meta) - OWN_KEYS)):
        allowed = ", ".join(sorted(OWN_KEYS))
        raise CheckpointError(
            f"{path}: its metadata has the unknown key '{odd[0]}'; allowed: {allowed}; it is damaged: "
            "copy it again, or make it again from its source"
        )
    if meta.get(CHECKSUM, (own := _checksum(arrays, meta))) != own:
        raise CheckpointError(
            f"{path} differs from the checksum that it was written with: it is damaged, or was edited; "
            "copy it again, or make it again from its source"
        )
    return arrays, meta
