"""An artifact's folder and archive, staged, checksummed and moved into place."""

from __future__ import annotations

import contextlib
import gzip
import importlib.metadata
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from delrec_compile.artifact.manifest import FILE, SCHEMA, Artifact, CommonManifest, archive_of
from delrec_compile.errors import InputError
from delrec_compile.system.fields import parse_json
from delrec_compile.system.files import sha256, write_atomic

TOOLS = ("delrec-compile", "apache-tvm", "torch", "onnx", "numpy")


def check_output(out: Path, force: bool) -> None:
    """Refuses an output that exists, or that `force` must not replace. Raises InputError."""
    if not force:
        for path in (out, archive_of(out)):
            if path.exists() or path.is_symlink():
                raise InputError(
                    f"{path} exists; add --force to replace it, or choose another with -o"
                )
    elif (out.exists() or out.is_symlink()) and not _replaceable(out):
        raise InputError(
            f"{out} is not an artifact, so --force does not replace it; choose another"
        )


def _replaceable(out: Path) -> bool:
    """Whether the path is an empty folder or an artifact; nothing else is ever deleted."""
    if out.is_symlink() or not out.is_dir():
        return False
    if not any(out.iterdir()):
        return True
    try:
        manifest = parse_json((out / FILE).read_text())
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("schema") == SCHEMA


def tools() -> dict[str, str]:
    """Versions of the packages that build an artifact."""
    return {tool: importlib.metadata.version(tool) for tool in TOOLS}


def checksums(folder: Path) -> dict[str, str]:
    """sha256 of each file, by its path in the folder."""
    files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    return {file: sha256(folder / file) for file in files}


@contextlib.contextmanager
def staging(out: Path) -> Iterator[Path]:
    """A folder beside the output, removed afterwards unless it was moved into place."""
    parent = out.absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(dir=parent, prefix=f".{out.name}."))
        stage.chmod(0o755)
    except OSError as error:
        raise InputError(
            f"cannot write in {parent}: {error.strerror}; choose another folder with -o"
        ) from error
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def finish(stage: Path, out: Path, manifest: CommonManifest) -> None:
    """Writes the manifest, moves the stage into the place of `out` and packs its archive."""
    text = json.dumps(manifest.to_json(), indent=2, sort_keys=True) + "\n"
    (stage / FILE).write_text(text)
    move_into_place(stage, out)
    write_atomic(archive_of(out), tar_gz(out))


def move_into_place(stage: Path, out: Path) -> None:
    """Moves a finished folder into place; an old one is set aside and then removed.

    Raises InputError.
    """
    old = stage.with_name(stage.name + ".old")
    try:
        if out.exists():
            out.replace(old)
        stage.replace(out)
    except OSError as error:
        if old.exists():
            old.replace(out)
        raise InputError(f"cannot write {out}: {error.strerror}") from error
    shutil.rmtree(old, ignore_errors=True)


def tar_gz(folder: Path) -> bytes:
    """The folder as .tar.gz without times, owners or modes: equal files, equal bytes."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            info = tar.gettarinfo(path, f"{folder.name}/{path.relative_to(folder)}")
            info.mtime, info.uid, info.gid, info.uname, info.gname = 0, 0, 0, "", ""
            info.mode = 0o644
            with path.open("rb") as file:
                tar.addfile(info, file)
    return gzip.compress(raw.getvalue(), mtime=0)


def measured(artifact: Artifact) -> dict[str, Any]:
    """measured.json of an artifact; empty where there is none."""
    try:
        data = parse_json((artifact.path / "measured.json").read_text())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
