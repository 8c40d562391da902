"""Integer networks in files: safetensors, with the description as JSON in the metadata."""

from __future__ import annotations

import json
from pathlib import Path

from delrec_compile.errors import CheckpointError, NetworkError
from delrec_compile.network.checkpoint import canonical, open_file
from delrec_compile.network.integer.model import IntegerNetwork, from_description
from delrec_compile.system.files import write_atomic

FORMAT = "delrec.integer/1"
NAME = "integer.safetensors"


def save(network: IntegerNetwork, path: Path) -> Path:
    """Writes the network, whole or not at all."""
    from safetensors.numpy import save as to_bytes

    arrays, config = network.describe()
    meta = {"format": FORMAT, "config": json.dumps(config, sort_keys=True)}
    write_atomic(path, canonical(to_bytes(arrays, metadata=meta)))
    return path


def load(path: Path) -> IntegerNetwork:
    """Raises CheckpointError for a file that is missing, damaged, or no integer network."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; build the artifact again")
    arrays, meta = open_file(path)
    if meta.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is no integer network (format '{meta.get('format', 'none')}', needed '{FORMAT}')"
        )
    try:
        return from_description(arrays, json.loads(meta["config"]))
    except (NetworkError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}; build the artifact again") from error
