"""Folders and files that a process works in: locked while it lives, then removed by the next one.

The lock is `flock` on the folder or file itself: the kernel drops it with the process, however that
ends, and it holds between containers, which a process's number does not. A file system without locks
only loses the cleaning.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from delrec_compile.errors import InputError

TOKEN = re.compile(r"[0-9a-f]{8}")  # of secrets.token_hex
MARK = (
    ".delrec-"  # between the name of an output and the random part of its stage, or of a part of it
)
RANDOM = re.compile(r"[a-z0-9_]{8}")  # of tempfile.mkdtemp
WORK = "delrec-work-"
NOREPLACE, EXCHANGE = 1, 2  # of renameat2
AT_FDCWD = -100
NOT_SUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


@contextlib.contextmanager
def work_folder() -> Iterator[Path]:
    """A folder for temporary files, removed afterwards; those of dead processes are removed too."""
    with _made(Path(tempfile.gettempdir()), WORK) as folder:
        yield folder


@contextlib.contextmanager
def stage_folder(out: Path, *, wait: bool) -> Iterator[Path]:
    """A hidden folder beside `out` for what shall become `out`, removed afterwards.

    One process at a time has one: wait says whether to wait for the others. Stages of dead
    processes are removed. Raises InputError where another process has one, and OSError.
    """
    prefix = f".{out.name}{MARK}"
    with _made(out.absolute().parent, prefix, None if wait else str(out)) as folder:
        yield folder


@contextlib.contextmanager
def _made(parent: Path, prefix: str, alone: str | None = "") -> Iterator[Path]:
    """A locked folder. alone: empty: beside others; None: after them; a path: refused for them."""
    while True:
        with _mutex(parent):
            living = _remove_dead(parent, prefix)
            if alone == "" or not living:
                folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
                handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
                _lock(handle)
                break
        if alone:
            raise InputError(f"another process is building {alone}; wait for it, or choose another")
        with _locked(living[0]):
            pass
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def part_file(path: Path) -> tuple[Path, int]:
    """A new hidden file beside `path`, open to be written; those of dead processes are removed.

    It belongs to this process while it is open. Raises OSError.
    """
    prefix = f".{path.name}{MARK}"
    _remove_dead_parts(path.parent, prefix)
    while True:
        part = path.with_name(f"{prefix}{secrets.token_hex(4)}")
        # not by mkstemp: the file has the mode that the user's umask leaves
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        _lock(handle)
        if part.exists():  # no other process has removed it before it was locked
            return part, handle
        os.close(handle)


def _remove_dead_parts(parent: Path, prefix: str) -> None:
    with contextlib.suppress(OSError):
        for path in parent.iterdir():
            if not path.name.startswith(prefix) or not TOKEN.fullmatch(path.name[len(prefix) :]):
                continue
            with contextlib.suppress(OSError):
                handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                finally:
                    os.close(handle)


def _remove_dead(parent: Path, prefix: str) -> list[Path]:
    """Removes the folders whose processes are dead; those of the living are returned."""
    living = []
    for path in parent.iterdir():
        if path.name.startswith(prefix) and RANDOM.fullmatch(path.name.removeprefix(prefix)):
            try:
                handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            except OSError:
                continue
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            except BlockingIOError:
                living.append(path)
            except OSError:
                pass
            finally:
                os.close(handle)
    return living


def _mutex(parent: Path) -> AbstractContextManager[None]:
    """The lock of a folder in which folders are made. One that was made here has none: it is its
    process's own, and locked while that lives."""
    own = parent.name.startswith(WORK) or MARK in parent.name
    return contextlib.nullcontext() if own else _locked(parent)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds the lock of a folder, where it is there and can be locked."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield
        return
    try:
        _lock(handle)
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> None:
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX)


def replace_folder(new: Path, out: Path) -> None:
    """Exchanges a finished folder with the one in its place, in one step. Raises OSError."""
    if not _renamed(new, out, EXCHANGE):
        old = new.with_name(new.name + ".old")
        out.rename(old)
        try:
            new.rename(out)
        except OSError:
            old.rename(out)
            raise
        old.rename(new)


def place_folder(new: Path, out: Path) -> None:
    """Moves a finished folder to where nothing is. Raises OSError, FileExistsError."""
    if not _renamed(new, out, NOREPLACE):
        if os.path.lexists(out):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(out))
        new.rename(out)


def _renamed(old: Path, new: Path, flag: int) -> bool:
    """renameat2; False where the system or the file system has none. Raises OSError."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flag) == 0:
        return True
    code = ctypes.get_errno()
    if code in NOT_SUPPORTED:
        return False
    raise OSError(code, os.strerror(code), str(old), None, str(new))
