"""What packages hold: the files of an artifact, the facts of their texts, and archives of both."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.version import Version

from delrec_compile.artifact.manifest import Artifact, Manifest
from delrec_compile.artifact.templates import render_files
from delrec_compile.errors import UnsupportedError
from delrec_compile.network import checkpoint

TIME = (1980, 1, 1, 0, 0, 0)  # of each file of a ZIP: its earliest
MODE = 0o644
Files = dict[str, bytes]


@dataclass(frozen=True)
class Contents:
    """An artifact, and what the texts of its packages say of it."""

    artifact: Artifact
    facts: Mapping[str, Any]

    @classmethod
    def of(cls, artifact: Artifact) -> Contents:
        m, network = artifact.manifest, checkpoint.load(artifact.path / "network.safetensors")
        facts = {
            "name": m.name,
            "macro": m.name.upper(),
            "summary": f"a spiking network, {m.inputs} inputs, {m.outputs} outputs",
            "number": Version(metadata.version("delrec-compile")).base_version,
            "inputs": m.inputs,
            "outputs": m.outputs,
            "neurons": sum(m.neurons),
            "classes": network.readout.size,
            "decision": network.readout.decision,
            "dt_ms": m.dt_ms,
            "labels": list(network.labels),
            "largest": None if m.input_bits is not None else int(network.max_input),
            **({"front_end": True} if m.front_end else {}),
        }
        return cls(artifact, facts)

    @property
    def manifest(self) -> Manifest:
        return self.artifact.manifest

    def rendered(self, templates: Mapping[str, str], **more: Any) -> Files:
        """Files from templates, by path. more: variables beside the facts."""
        texts = render_files(templates, {**self.facts, **more})
        return {path: text.encode() for path, text in texts.items()}

    def copied(self, folder: str, to: str = "") -> Files:
        """Files of a folder of the artifact, placed into the folder `to`."""
        root = self.artifact.path
        found = sorted(f for f in self.manifest.files if Path(f).parent.as_posix() == folder)
        return {f"{to or folder}/{Path(f).name}": (root / f).read_bytes() for f in found}

    def refuse_front_end(self, kind: str) -> None:
        """Raises UnsupportedError for an artifact that takes sound, whose entries `kind` lacks."""
        if self.manifest.front_end:
            raise UnsupportedError(
                f"{self.artifact.path} has a front end, and {kind} takes spikes alone; build it "
                "without --with-frontend"
            )

    def require_sources(self, kind: str) -> None:
        """Raises UnsupportedError for an artifact that is no C sources."""
        if not self.manifest.is_sources:
            raise UnsupportedError(
                f"{self.artifact.path} ('{self.manifest.target}') holds no C sources for {kind}; "
                "build it for portable_c, or for the chip"
            )


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A ZIP without times or owners: equal files, equal bytes."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            member = zipfile.ZipInfo(path, TIME)
            member.external_attr, member.compress_type = MODE << 16, zipfile.ZIP_DEFLATED
            archive.writestr(member, content)
    return raw.getvalue()


def tarred(files: Mapping[str, bytes]) -> bytes:
    """A .tar.gz without times or owners."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), MODE
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), mtime=0)
