"""Tuning records on disk: one file per key, whose lines are only ever appended.

    <crc32 in hex> {"schema": "delrec.tuning/1", "key": {..}}
    <crc32 in hex> {"trial": {..}}
    <crc32 in hex> {"winner": {..}}

A process that is killed while it writes leaves one torn line at most; the next one starts on a line
of its own. Lines whose sum is wrong are never used, and `repair` moves them to `<file>.quarantine`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from delrec_compile.aliases import Numeric
from delrec_compile.compiler.schedules.locked_file import locked, opened, read_all, write
from delrec_compile.compiler.schedules.record import Trial, Winner
from delrec_compile.errors import InputError
from delrec_compile.system.fields import parse_json
from delrec_compile.system.files import cache_folder

SCHEMA = "delrec.tuning/1"
VARIABLE = "DELREC_DB"
SUFFIX, QUARANTINE = ".jsonl", ".quarantine"
TRIAL, WINNER = "trial", "winner"  # kinds of a record
Record = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Key:
    """The conditions under which a measurement is valid.

    cpu: LLVM's name, or a core. code: digest of the code that makes kernels. workload: the shape of
    the network.
    """

    tvm: str
    target: str
    cpu: str
    numeric: Numeric
    code: str
    workload: dict[str, Any]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Key:
        """Raises ValueError where it is not one."""
        try:
            return cls(**{**values, "numeric": Numeric(values["numeric"])})
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a key ({error!r})") from error

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    @property
    def file(self) -> str:
        stem = re.sub(r"[^\w.-]+", "_", f"{self.target}-{self.cpu}-{self.numeric}")
        return f"{stem}-{self.digest}{SUFFIX}"


@dataclass(frozen=True)
class Contents:
    """A file's records in the order they were written. bad: damaged lines, as (number, bytes)."""

    path: Path
    key: Key | None
    records: tuple[Record, ...] = ()
    bad: tuple[tuple[int, bytes], ...] = ()

    def all(self, kind: str) -> list[Record]:
        """The records of a kind, `trial` or `winner`, as JSON."""
        return [r[kind] for r in self.records if isinstance(r.get(kind), dict)]

    @property
    def trials(self) -> list[Trial]:
        """The trials in order, without those that this version cannot read."""
        return _parsed(Trial.from_json, self.all(TRIAL))

    @property
    def winners(self) -> list[Winner]:
        """The winners in order, without those that this version cannot read."""
        return _parsed(Winner.from_json, self.all(WINNER))


@dataclass
class Merged:
    """The result of a merge. added: number of records by file name. skipped: (file, reason)."""

    added: dict[str, int] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)


def default_folder() -> Path:
    """$DELREC_DB, or a folder of the user's cache."""
    return cache_folder("tuning", VARIABLE)


class Store:
    """A folder of tuning files. It is made by the first record. Raises InputError for a file."""

    def __init__(self, folder: Path | str | None = None) -> None:
        self.folder = Path(folder) if folder is not None else default_folder()
        if self.folder.is_file():
            raise InputError(f"{self.folder} is not a folder; choose another with --db")

    def path(self, key: Key) -> Path:
        return self.folder / key.file

    def files(self) -> list[Path]:
        """The tuning files."""
        return sorted(self.folder.glob(f"*{SUFFIX}"))

    def read(self, key: Key) -> Contents:
        """The records of a key; none where there is no file."""
        path = self.path(key)
        return read(path) if path.exists() else Contents(path, key)

    def append(self, key: Key, *records: Record) -> None:
        """Adds records, on the disk when this returns."""
        with locked(self.path(key)) as fd:
            _extend(fd, key, [_line(r) for r in records])

    def repair(self, path: Path, key: Key | None = None) -> int:
        """Moves the damaged lines of a file into its quarantine; returns their number.

        key: rewrites a damaged first line; without it, a file with such a line goes into quarantine
        as a whole.
        """
        with locked(path) as fd:
            raw = read_all(fd)
            contents = parse(path, raw)
            key = contents.key or key
            if not contents.bad and contents.key is not None:
                return 0
            bad = [text for _, text in contents.bad] if key else raw.splitlines()
            with opened(Path(f"{path}{QUARANTINE}")) as aside:
                write(aside, b"".join(line + b"\n" for line in bad))
            if key is None:
                path.unlink()
                return len(bad)
            good = [_line(_header(key)), *(_line(r) for r in contents.records)]
            part = path.with_name(f".{path.name}.part")
            part.write_bytes(b"".join(good))
            part.replace(path)
        return len(bad)

    def merge(self, sources: Iterable[Path]) -> Merged:
        """Copies the records of other stores, files or folders, that are not here yet."""
        merged = Merged()
        for source in sources:
            if not source.exists():
                raise InputError(f"{source}: no such file or folder")
            files = sorted(source.glob(f"*{SUFFIX}")) if source.is_dir() else [source]
            if not files:
                raise InputError(f"{source} holds no tuning files (*{SUFFIX})")
            for file in files:
                contents = read(file)
                if contents.bad:
                    merged.skipped.append((str(file), f"{len(contents.bad)} damaged lines"))
                if contents.key is None:
                    merged.skipped.append((str(file), "its first line is damaged: not used"))
                    continue
                name = contents.key.file
                added = self._add_missing(contents.key, contents.records)
                merged.added[name] = merged.added.get(name, 0) + added
        return merged

    def _add_missing(self, key: Key, records: Iterable[Record]) -> int:
        with locked(self.path(key)) as fd:
            here = set(read_all(fd).splitlines(keepends=True))
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
    """The contents of a file from its bytes."""
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
        record = parse_json(body)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _key(record: Record) -> Key | None:
    try:
        return Key.from_json(record["key"]) if record["schema"] == SCHEMA else None
    except (KeyError, TypeError, ValueError):
        return None


def _parsed(parse_one: Callable[[Record], T], records: Iterable[Record]) -> list[T]:
    out = []
    for record in records:
        with contextlib.suppress(ValueError):
            out.append(parse_one(record))
    return out


def _header(key: Key) -> Record:
    return {"schema": SCHEMA, "key": asdict(key)}


def _line(record: Record) -> bytes:
    body = json.dumps(record, sort_keys=True).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _extend(fd: int, key: Key, lines: list[bytes]) -> None:
    """Appends lines, after a torn one on a new line; an empty file first gets the key's line.

    All of them or, where the disk is full, none.
    """
    size = os.fstat(fd).st_size
    start = b"" if size else _line(_header(key))
    if size and os.pread(fd, 1, size - 1) != b"\n":
        start = b"\n"
    try:
        write(fd, start + b"".join(lines))
    except OSError:
        os.ftruncate(fd, size)
        raise
