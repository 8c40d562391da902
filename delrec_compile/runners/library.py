"""Shared libraries of an artifact, loaded so that a rebuilt one is never taken for the old one."""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from delrec_compile.errors import InputError
from delrec_compile.system.folders import work_folder

# the loader of the system knows a library by its path: one that was rebuilt would stay the old one
_loaded: dict[str, ctypes.CDLL] = {}  # by the SHA-256 of its file


def load_library(path: Path, checksum: str | None = None, *, shared: bool = True) -> ctypes.CDLL:
    """The library with the bytes that the file has now, from a path of its own.

    checksum: SHA-256 that the file must have; None: any. shared: equal bytes are loaded once; not
    for a library with variables of its own. Raises InputError.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} does not load here: {error.strerror}") from error
    digest = hashlib.sha256(raw).hexdigest()
    if checksum not in (None, digest):
        raise InputError(f"{path} is not the file of this artifact; open the artifact again")
    if shared and digest in _loaded:
        return _loaded[digest]
    with work_folder() as folder:
        copy = folder / path.name
        copy.write_bytes(raw)
        try:
            library = ctypes.CDLL(str(copy))
        except OSError as error:
            raise InputError(f"{path} does not load here: {error}") from error
    if shared:
        _loaded[digest] = library
    return library


def entry_points(library: ctypes.CDLL, prefix: str, names: Iterable[str]) -> dict[str, Any]:
    """The functions `<prefix>_<name>`, by name. Raises InputError for one that is not there."""
    try:
        return {name: getattr(library, f"{prefix}_{name}") for name in names}
    except AttributeError as error:
        raise InputError(f"the library of '{prefix}' lacks an entry point: {error}") from error
