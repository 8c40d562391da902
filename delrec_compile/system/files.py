"""Files written atomically, checked before long work begins, and named by their contents."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from delrec_compile.errors import InputError, UsageError
from delrec_compile.system.folders import part_file


def cache_folder(name: str, variable: str) -> Path:
    """The folder that an environment variable names, else one in the user's cache."""
    if chosen := os.environ.get(variable):
        return Path(chosen)
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "delrec-compile" / name


def check_suffix(path: Path, suffix: str) -> None:
    """Refuses a name that says another kind of file than is written. Raises UsageError."""
    if path.suffix.lower() != suffix:
        raise UsageError(f"{path}: a name that ends in {suffix} is required")


def check_writable(path: Path) -> None:
    """Refuses a path that cannot be written, before long work for it begins. Raises InputError."""
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; name a file")
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.absolute().parent).close()
    except OSError as error:
        raise _refusal(path, error) from error


def _refusal(path: Path, error: OSError) -> InputError:
    reason = error.strerror
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        files = [str(p) for p in path.parents if os.path.lexists(p) and not p.is_dir()]
        reason = f"{files[0]} is a file; name a folder" if files else reason
    return InputError(f"cannot write {path}: {reason}")


def write_atomic(path: Path, raw: bytes) -> None:
    """Writes a file so that a reader, or a crash, sees the old one or the new one.

    What a process left that was killed while it wrote the same file is removed. Raises InputError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, handle = part_file(path)
    except OSError as error:
        raise _refusal(path, error) from error
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(raw)
            out.flush()
            os.fsync(out.fileno())
            temporary.replace(path)  # while it is locked
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _refusal(path, error) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sha256(path: Path) -> str:
    """The checksum of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_files(path: Path, files: Mapping[str, str]) -> None:
    """Raises InputError for a file of an artifact that is not as its checksum says."""
    for name, checksum in files.items():
        file = path / name
        if not file.is_file() or sha256(file) != checksum:
            raise InputError(
                f"{file} is missing or differs from the file that was built; build it again"
            )


def check_inside(root: Path, names: Iterable[str]) -> None:
    """Raises ValueError for a path that is absolute, or leaves the folder, also by a link."""
    root = root.resolve()
    for name in names:
        if Path(name).is_absolute() or not (root / name).resolve().is_relative_to(root):
            raise ValueError(f"{name} is not in the folder")
