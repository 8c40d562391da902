"""An artifact's folder and archive, staged, checksummed and moved into place."""

from __future__ import annotations

import contextlib
import errno
import gzip
import importlib.metadata
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from delrec_compile.aliases import Progress
from delrec_compile.artifact.manifest import FILE, SCHEMA, Artifact, CommonManifest, archive_of
from delrec_compile.errors import DelrecError, InputError
from delrec_compile.system import archive
from delrec_compile.system.fields import parse_json, sealed_text
from delrec_compile.system.files import sha256
from delrec_compile.system.folders import place_folder, replace_folder, stage_folder

M = TypeVar("M", bound=CommonManifest)
A = TypeVar("A")
TOOLS = ("delrec-compile", "apache-tvm", "torch", "onnx", "numpy")
COMPRESSION = 1  # of gzip: on weights 9 takes ten times as long and saves 7 %
MEASURED, REPORT = "measured.json", "report.md"  # of the proof: in neither manifest nor archive


def check_output(out: Path, force: bool) -> None:
    """Refuses an output that exists, or that `force` must not replace. Raises InputError."""
    archive = archive_of(out)
    parents = out.absolute().parents
    if files := [p for p in parents if os.path.lexists(p) and not p.is_dir()]:
        raise InputError(
            f"cannot write in {parents[0]}: {files[0]} is a file; choose another folder with out=..."
        )
    for path in (out, archive):
        if not os.path.lexists(path):
            continue
        if not (_is_folder_of_artifact(path) if path is out else _is_archive(path)):
            raise InputError(
                f"{path} is not an artifact, so force=True does not replace it; "
                "choose another with out=..."
            )
    strange = _strangers(out) if out.is_dir() else []
    if strange:
        raise InputError(
            f"{out} holds {', '.join(strange[:3])}{' and more' if len(strange) > 3 else ''}, not of "
            "the artifact, so force=True does not replace it; move that, or choose another with "
            "out=..."
        )
    there = next((path for path in (out, archive) if os.path.lexists(path)), None)
    if there and not force:
        raise InputError(
            f"{there} exists; add force=True to replace it, or choose another with out=..."
        )


def _is_folder_of_artifact(out: Path) -> bool:
    """Whether the path is an empty folder or an artifact; nothing else is ever replaced."""
    if out.is_symlink() or not out.is_dir():
        return False
    return not any(out.iterdir()) or _manifest(out) is not None


def _is_archive(path: Path) -> bool:
    """Whether the path is the archive of an artifact."""
    name = path.name.removesuffix(".tar.gz")
    try:
        with archive.opened(path) as tar:
            first = next((member for member in tar if member.name.endswith(f"/{FILE}")), None)
    except (OSError, ValueError):
        return False
    return first is not None and first.name == f"{name}/{FILE}" and not path.is_symlink()


def _manifest(out: Path) -> dict[str, Any] | None:
    try:
        manifest = parse_json((out / FILE).read_text())
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and manifest.get("schema") == SCHEMA else None


def _strangers(out: Path) -> list[str]:
    """What a folder holds beside the files of its artifact."""
    files = (_manifest(out) or {}).get("files")
    known = {FILE, MEASURED, REPORT, *(files if isinstance(files, dict) else ())}
    held = sorted(p for p in out.rglob("*") if p.is_symlink() or not p.is_dir())
    return [str(p.relative_to(out)) for p in held if str(p.relative_to(out)) not in known]


def tools() -> dict[str, str]:
    """Versions of the packages that build an artifact."""
    return {tool: importlib.metadata.version(tool) for tool in TOOLS}


def checksums(folder: Path) -> dict[str, str]:
    """sha256 of each file, by its path in the folder."""
    files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    return {file: sha256(folder / file) for file in files}


@dataclass(frozen=True)
class Stage:
    """The hidden folder in which an artifact is made. out: its place. force: whether it replaces."""

    folder: Path
    out: Path
    force: bool

    def write(self, manifest: CommonManifest) -> None:
        """Writes the manifest. Raises OSError."""
        (self.folder / FILE).write_text(sealed_text(manifest.to_json()))

    def complete(
        self,
        manifest: M,
        kind: Callable[[Path, M], A],
        prove: Callable[[A], bool] | None,
        progress: Progress,
    ) -> A:
        """The artifact in its place, with what `prove` said of it before. kind: its class."""
        self.write(manifest)
        if prove is not None:
            manifest = replace(manifest, proven=prove(kind(self.folder, manifest)))
            self.write(manifest)
        progress("packing")
        self.install(manifest)
        return kind(self.out, manifest)

    def install(self, manifest: CommonManifest) -> None:
        """Moves the folder and its archive into their places, as one. Raises InputError."""
        archive = archive_of(self.folder)
        write_tar_gz(archive, self.folder, [FILE, *manifest.files])
        place, old = archive_of(self.out), archive.with_suffix(".old")
        try:
            check_output(self.out, self.force)
            if place.exists():
                place.rename(old)
            try:
                there = self.force and self.out.exists()
                (replace_folder if there else place_folder)(self.folder, self.out)
            except OSError:
                if old.exists():
                    old.rename(place)
                raise
            archive.rename(place)
        except FileExistsError as error:
            raise InputError(
                f"{self.out} appeared meanwhile; choose another with out=..."
            ) from error
        except OSError as error:
            raise InputError(f"cannot write {self.out}: {error.strerror}") from error


@contextlib.contextmanager
def staging(out: Path, force: bool = False) -> Iterator[Stage]:
    """A stage beside the output, removed afterwards with all that was not moved into its place.

    Two processes never make the same output at once: the second waits where it may replace what
    the first one makes, and is refused elsewhere. Errors name the output, not the stage. Raises
    InputError.
    """
    check_output(out, force)
    parent = out.absolute().parent
    with contextlib.ExitStack() as stack:
        try:
            parent.mkdir(parents=True, exist_ok=True)
            root = stack.enter_context(stage_folder(out, wait=force))
            folder = root / out.name
            folder.mkdir()
        except OSError as error:
            raise InputError(
                f"cannot write in {parent}: {error.strerror}; choose another folder with out=..."
            ) from error
        try:
            check_output(out, force)
            yield Stage(folder, out, force)
        except DelrecError as error:
            text = str(error)
            if str(folder) not in text:
                raise
            raise type(error)(text.replace(str(folder), str(out))) from error
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise InputError(f"cannot write in {parent}: {error.strerror}; free some") from error


def named(out: Path) -> Path:
    """The path, resolved where its last part names no folder."""
    return out if out.name not in ("", "..") else out.resolve()


def write_tar_gz(archive: Path, folder: Path, files: Iterable[str]) -> None:
    """Writes files of a folder as .tar.gz without times, owners or modes: equal files, equal bytes."""
    with (
        archive.open("wb") as raw,
        gzip.GzipFile("", "wb", COMPRESSION, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(folder / file for file in files):
            info = tar.gettarinfo(path, f"{folder.name}/{path.relative_to(folder)}")
            info.mtime, info.uid, info.gid, info.uname, info.gname = 0, 0, 0, "", ""
            info.mode = 0o644
            with path.open("rb") as file:
                tar.addfile(info, file)


def measured(artifact: Artifact) -> dict[str, Any]:
    """measured.json of an artifact; empty where there is none."""
    try:
        data = parse_json((artifact.path / MEASURED).read_text())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
