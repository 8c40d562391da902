"""Tuning records on disk: one file per key, whose lines are only ever appended.

    <crc32 in hex> {"schema": "delrec.tuning/1", "key": {..}}
    <crc32 in hex> {"trial": {..}}
    <crc32 in hex> {"winner": {..}}

A process that is killed while it writes leaves one torn line at most; the next one starts on a line
of its own. Lines whose sum is wrong are never used, and `mend` moves them to `<file>.quarantine`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from delrec_compile.errors import InputError

SCHEMA = "delrec.tuning/1"
VARIABLE = "DELREC_DB"
SUFFIX, QUARANTINE = ".jsonl", ".quarantine"
Record = dict[str, Any]


@dataclass(frozen=True)
class Key:
    """What a measurement is valid for.

    cpu: LLVM's name, or a core. code: digest of the code that makes kernels. workload: the shape of
    the network.
    """

    tvm: str
    target: str
    cpu: str
    numeric: str
    code: str
    workload: dict[str, Any]

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    @property
    def file(self) -> str:
        words = re.sub(r"[^\w.-]+", "_", f"{self.target}-{self.cpu}-{self.numeric}")
        return f"{words}-{self.digest}{SUFFIX}"


@dataclass(frozen=True)
class Contents:
    """A file's records in the order they were written. bad: (line number, bytes) of garbage."""

    path: Path
    key: Key | None
    records: tuple[Record, ...] = ()
    bad: tuple[tuple[int, bytes], ...] = ()

    def all(self, kind: str) -> list[Record]:
        """The records of a kind: `trial`, `winner`."""
        return [r[kind] for r in self.records if isinstance(r.get(kind), dict)]


@dataclass
class Merged:
    """What a merge did. added: records by file name. skipped: (file, why)."""

    added: dict[str, int] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)


def default_folder() -> Path:
    """$DELREC_DB, or a folder of the user's cache."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "delrec-compile" / "tuning"


class Store:
    """A folder of tuning files. It is made by the first record."""

    def __init__(self, folder: Path | str | None = None) -> None:
        self.folder = Path(folder) if folder is not None else default_folder()

    def path(self, key: Key) -> Path:
        return self.folder / key.file

    def files(self) -> list[Path]:
        """Raises InputError where the folder is none."""
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.folder} is not a folder; name another with --db")
        return sorted(self.folder.glob(f"*{SUFFIX}"))

    def read(self, key: Key) -> Contents:
        """What is known of a key; nothing where there is no file."""
        path = self.path(key)
        return read(path) if path.exists() else Contents(path, key)

    def append(self, key: Key, *records: Record) -> None:
        """Adds records, on the disk when this returns."""
        with _locked(self.path(key)) as fd:
            _extend(fd, key, [_line(r) for r in records])

    def mend(self, path: Path, key: Key | None = None) -> int:
        """Moves garbage of a file into its quarantine; returns how many lines that were.

        key: writes the first line again where that is what is broken; else such a file goes into
        quarantine whole.
        """
        with _locked(path) as fd:
            raw = _read_all(fd)
            found = parse(path, raw)
            key = found.key or key
            if not found.bad and found.key is not None:
                return 0
            bad = [text for _, text in found.bad] if key else raw.splitlines()
            with _opened(Path(f"{path}{QUARANTINE}")) as aside:
                _write(aside, b"".join(line + b"\n" for line in bad))
            if key is None:
                path.unlink()
                return len(bad)
            kept = [_line(_header(key)), *(_line(r) for r in found.records)]
            part = path.with_name(f".{path.name}.part")
            part.write_bytes(b"".join(kept))
            part.replace(path)
        return len(bad)

    def merge(self, sources: Iterable[Path]) -> Merged:
        """Takes over the records of other stores, files or folders, that are not here yet."""
        done = Merged()
        for source in sources:
            if not source.exists():
                raise InputError(f"{source}: no such file or folder")
            files = sorted(source.glob(f"*{SUFFIX}")) if source.is_dir() else [source]
            if not files:
                raise InputError(f"{source} holds no tuning files (*{SUFFIX})")
            for file in files:
                found = read(file)
                if found.bad:
                    done.skipped.append((str(file), f"{len(found.bad)} damaged lines"))
                if found.key is None:
                    done.skipped.append((str(file), "its first line is damaged: not used"))
                    continue
                added = self._take(found.key, found.records)
                name = found.key.file
                done.added[name] = done.added.get(name, 0) + added
        return done

    def _take(self, key: Key, records: Iterable[Record]) -> int:
        with _locked(self.path(key)) as fd:
            here = set(_read_all(fd).splitlines(keepends=True))
            lines = [line for line in dict.fromkeys(map(_line, records)) if line not in here]
            _extend(fd, key, lines)
        return len(lines)


def read(path: Path) -> Contents:
    """Reads a tuning file. Raises InputError when it cannot be read at all."""
    try:
        return parse(path, path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def parse(path: Path, raw: bytes) -> Contents:
    """What the bytes of a file hold."""
    records, bad, key = [], [], None
    for number, text in enumerate(raw.splitlines(), 1):
        record = _record(text)
        if record is None:
            bad.append((number, text))
        elif "key" not in record:
            records.append(record)
        elif key is None:
            key = _key(record)
            if key is None:
                bad.append((number, text))
    return Contents(path, key, tuple(records), tuple(bad))


def _record(text: bytes) -> Record | None:
    mark, _, body = text.partition(b" ")
    if mark != f"{zlib.crc32(body):08x}".encode():
        return None
    try:
        record = json.loads(body)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _key(record: Record) -> Key | None:
    try:
        return Key(**record["key"]) if record["schema"] == SCHEMA else None
    except (KeyError, TypeError):
        return None


def _header(key: Key) -> Record:
    return {"schema": SCHEMA, "key": asdict(key)}


def _line(record: Record) -> bytes:
    body = json.dumps(record, sort_keys=True).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _extend(fd: int, key: Key, lines: list[bytes]) -> None:
    """Appends lines, after a torn one on a new line, under a first line that says the key."""
    size = os.fstat(fd).st_size
    start = b"" if size else _line(_header(key))
    if size and os.pread(fd, 1, size - 1) != b"\n":
        start = b"\n"
    _write(fd, start + b"".join(lines))


def _write(fd: int, raw: bytes) -> None:
    while raw:
        raw = raw[os.write(fd, raw) :]
    os.fsync(fd)


def _read_all(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror}; name another folder with --db"
        ) from error
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The file, ours alone until the end; the one that has the name, if it was replaced meanwhile."""
    while True:
        with _opened(path) as fd:
            fcntl.flock(fd, fcntl.LOCK_EX)
            try:
                current = path.stat().st_ino == os.fstat(fd).st_ino
            except FileNotFoundError:
                current = False
            if current:
                yield fd
                return
