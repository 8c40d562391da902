"""A file that several processes append to: locked while one does."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from delrec_compile.errors import InputError


def write(fd: int, raw: bytes) -> None:
    """Appends all of it, on the disk when this returns. Raises OSError."""
    while raw:
        raw = raw[os.write(fd, raw) :]
    os.fsync(fd)


def read_all(fd: int) -> bytes:
    """The whole file, wherever it is open at."""
    return os.pread(fd, os.fstat(fd).st_size, 0)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[int]:
    """An open file to append to. Raises InputError where it, or its disk, takes nothing."""
    fd = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        yield fd
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror}; choose another folder with --db"
        ) from error
    finally:
        if fd is not None:
            os.close(fd)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int]:
    """The file, locked for this process; reopened if another one replaced it meanwhile."""
    while True:
        with opened(path) as fd:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if not _is_open(path, fd):
                continue
            try:
                yield fd
            finally:
                if os.fstat(fd).st_size == 0 and _is_open(path, fd):  # nothing could be written
                    path.unlink()
            return


def _is_open(path: Path, fd: int) -> bool:
    """Whether the open file is still that of the path."""
    try:
        return path.stat().st_ino == os.fstat(fd).st_ino
    except FileNotFoundError:
        return False
