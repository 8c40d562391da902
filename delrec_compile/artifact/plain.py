"""The artifact of a plain ONNX step: its manifest, and reading it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from delrec_compile.artifact.manifest import CommonManifest, Form, checked, is_plain, read_folder
from delrec_compile.errors import InputError
from delrec_compile.system.host import is_here


@dataclass(frozen=True, kw_only=True)
class PlainManifest(CommonManifest):
    """The manifest of a plain ONNX step. kernels, calls: functions, and their calls per step."""

    form: Form = Form.PLAIN
    kernels: int
    calls: int

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
    def library(self) -> Path:
        """The shared library."""
        return self.path / self.manifest.main_file


def load_plain_artifact(path: Path | str) -> PlainArtifact:
    """Reads the folder of a plain ONNX step and checks every file's checksum. Raises InputError."""
    path = Path(path)
    data = read_folder(path)
    if not is_plain(data):
        raise InputError(f"{path} is not a plain ONNX step; use Session")
    return PlainArtifact(path, checked(path, PlainManifest, data))
