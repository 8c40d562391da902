"""The artifact of a plain ONNX step: its manifest, and reading it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from delrec_compile.artifact.abi import OPTIONAL
from delrec_compile.artifact.manifest import (
    Artifact,
    CommonManifest,
    Form,
    checked,
    is_plain,
    load_artifact,
    read_folder,
)
from delrec_compile.errors import InputError
from delrec_compile.system.host import is_here


@dataclass(frozen=True, kw_only=True)
class PlainManifest(CommonManifest):
    """The manifest of a plain ONNX step. kernels, calls: functions, and their calls per step.

    The others are those of a program for a chip, as in the manifest of a network.
    """

    form: Form = Form.PLAIN
    kernels: int
    calls: int
    clock_mhz: float | None = None
    board: str = ""
    memory: dict[str, Any] = field(default_factory=dict)
    flash: dict[str, Any] = field(default_factory=dict)
    board_image: str | None = None
    core: str | None = None
    image: str | None = None
    flash_bytes: int | None = None
    ram_bytes: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The object that manifest.json holds: no keys of a chip where there is none."""
        own = {"clock_mhz", "board", "memory", "flash"} | {"board_image", *OPTIONAL["chip"]}
        absent = set() if self.core else {*own, "core", "image"}
        return {k: v for k, v in super().to_json().items() if k not in absent}

    @property
    def is_sources(self) -> bool:
        return self.library is None

    @property
    def runs_here(self) -> bool:
        """Whether the artifact's code is for the processor of this machine."""
        return is_here(self.machine)


@dataclass(frozen=True)
class PlainArtifact:
    """A compiled plain ONNX step on disk."""

    path: Path
    manifest: PlainManifest

    @property
    def library(self) -> Path | None:
        """The shared library; None where the artifact is C sources."""
        return self.path / self.manifest.library if self.manifest.library else None


def load_plain_artifact(path: Path | str) -> PlainArtifact:
    """Reads the folder of a plain ONNX step and checks every file's checksum. Raises InputError."""
    path = Path(path)
    data = read_folder(path)
    if not is_plain(data):
        raise InputError(f"{path} is not a plain ONNX step; use Session")
    return PlainArtifact(path, checked(path, PlainManifest, data))


def load_any(path: Path | str) -> Artifact | PlainArtifact:
    """Reads a folder of either kind and checks every file's checksum. Raises InputError."""
    path = Path(path)
    return load_plain_artifact(path) if is_plain(read_folder(path)) else load_artifact(path)
