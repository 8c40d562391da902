"""The artifact on disk: its manifest, read and checked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delrec_compile.errors import InputError
from delrec_compile.network.integer import checkpoint as integer_checkpoint
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.numeric import Numeric
from delrec_compile.system.files import sha256

SCHEMA = "delrec.artifact/1"

PLAIN = "plain"  # the form of an artifact of a plain ONNX step


@dataclass(frozen=True)
class Artifact:
    """A built network on disk."""

    path: Path
    manifest: dict[str, Any]

    @property
    def library(self) -> Path | None:
        """The shared library; None where the artifact is C sources."""
        name = self.manifest["library"]
        return self.path / str(name) if name else None

    @property
    def integer(self) -> IntegerNetwork | None:
        """What the artifact computes in int16 or int8; None in float32."""
        if not Numeric(self.manifest.get("numeric", Numeric.FLOAT32)).is_integer:
            return None
        return integer_checkpoint.load(self.path / integer_checkpoint.NAME)

    @property
    def archive(self) -> Path:
        return self.path.with_name(self.path.name + ".tar.gz")


def load_artifact(path: Path | str, plain: bool = False) -> Artifact:
    """Reads an artifact folder and checks every file's checksum.

    plain: whether it is that of a plain ONNX step. Raises InputError.
    """
    path = Path(path)
    try:
        manifest = json.loads((path / "manifest.json").read_text())
        files = dict(manifest["files"])
        main = manifest["library"] or f"src/{manifest['name']}.c"
        if manifest["schema"] != SCHEMA or main not in files:
            raise ValueError(f"schema '{manifest['schema']}', needed '{SCHEMA}' and its main file")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not an artifact of this project (manifest.json: {error}); "
            "make one with 'delrec-compile build'"
        ) from error
    if (manifest.get("form") == PLAIN) != plain:
        fit = "'check', 'bench' and PlainSession are" if not plain else "Session is"
        what = "a plain ONNX step" if not plain else "no plain ONNX step"
        raise InputError(f"{path} is {what}; {fit} for it")
    for name, checksum in files.items():
        file = path / name
        if not file.is_file() or sha256(file) != checksum:
            raise InputError(f"{file} is missing or not the file that was built; build it again")
    return Artifact(path, manifest)


def measured(artifact: Artifact) -> dict[str, Any]:
    """measured.json of an artifact; empty where there is none."""
    try:
        found = json.loads((artifact.path / "measured.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
