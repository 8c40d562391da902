"""A place for caches where the user has none: no HOME, a user that the system does not know, as in
a container with `--user`, or a home that cannot be written.

TVM asks for the home when it is imported, Zig and PyTorch when they compile.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from delrec_compile.errors import InputError


def settle_home() -> None:
    """Sets HOME and XDG_CACHE_HOME, for this process and its children, where there is no such place.

    Raises InputError where none can be made.
    """
    try:
        home = Path.home()
    except RuntimeError:
        os.environ.setdefault("LOGNAME", str(os.getuid()))
        home = _private()
        os.environ["HOME"] = str(home)
    cache = os.environ.get("XDG_CACHE_HOME")
    if not _usable(Path(cache) if cache else home / ".cache"):
        os.environ["XDG_CACHE_HOME"] = str(_private())


def _usable(folder: Path) -> bool:
    """Whether the folder can be written, or made."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _private() -> Path:
    """A folder among the temporary files that belongs to this user alone."""
    folder = Path(tempfile.gettempdir()) / f"delrec-compile-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise InputError(f"no home, and {folder}: {error.strerror}; set HOME") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise InputError(f"no home, and {folder} is not this user's alone; set HOME")
    return folder
