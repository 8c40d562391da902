"""One file by HTTP, which a cut or a kill only delays: what is there is continued by the next try."""

from __future__ import annotations

import hashlib
import http.client
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from delrec_compile.errors import DataError, UsageError

Progress = Callable[[int, int], None]  # bytes that are there, of how many

CHUNK = 1 << 18  # bytes
TRIES = 4  # of a connection that is cut, as long as each brings something
SILENCE_S = 30.0  # after which a server is given up
LARGEST = 8 << 30  # bytes of a file
SPARE = 64 << 20  # bytes that stay free on the disk
CUT = (http.client.HTTPException, ConnectionError, TimeoutError)
UNREACHED = (urllib.error.URLError, *CUT)
RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]+/([0-9]+|\*)")
SIZE = re.compile(r"[0-9]{1,18}")


def check_url(url: str) -> None:
    """Raises UsageError for an address that is not of HTTP."""
    if not re.match(r"https?://[^/]", url):
        raise UsageError(f"the address is '{url}'; one that begins with https:// is required")


def download(url: str, part: Path, progress: Progress = lambda _done, _all: None) -> int:
    """Bring the file to `part`, after the bytes that are there already; returns the bytes it brought.

    Raises DataError for a server that refuses, a connection that stays cut, a file that is too large,
    and a disk without room for it. The bytes stay in `part` then.
    """
    brought = 0
    for _ in range(TRIES):
        try:
            more, complete = _try(url, part, progress)
        except urllib.error.HTTPError as error:
            error.close()
            raise DataError(
                f"{url}: the server answers {error.code} {error.reason}; name another place with url=..."
            ) from error
        except UNREACHED as error:
            reason = getattr(error, "reason", error)
            raise DataError(
                f"{url} cannot be reached: {' '.join(str(reason).split()) or type(error).__name__}; "
                "connect this machine, or name another place with url=..."
            ) from error
        brought += more
        if complete:
            return brought
        if not more:
            break
    raise DataError(
        f"{url}: the connection was cut after {part.stat().st_size:,} bytes, which are kept; the same "
        "command goes on there"
    )


def _try(url: str, part: Path, progress: Progress) -> tuple[int, bool]:
    """One connection: the bytes that it brought, and whether the file is whole."""
    there = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})
    if there:
        request.add_header("Range", f"bytes={there}-")
    try:
        answer = urllib.request.urlopen(request, timeout=SILENCE_S)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE or not there:
            raise
        error.close()
        total = _size(error.headers.get("Content-Range", "").rpartition("/")[2])
        if total in (None, there):
            return 0, True  # nothing is left to bring; a checksum tells whether it is the file
        part.unlink()
        return _try(url, part, progress)
    with answer:
        start, total = _extent(answer, there)
        _require_room(url, part, start, total)
        with part.open("ab" if start else "wb") as file:
            return _copy(answer, file, url, start, total, progress)


def _copy(
    answer: Any, file: IO[bytes], url: str, start: int, total: int | None, progress: Progress
) -> tuple[int, bool]:
    """Writes what comes; returns its bytes, and whether they are all."""
    done = start
    try:
        while chunk := answer.read1(CHUNK):
            done += len(chunk)
            _require_size(url, done)
            file.write(chunk)
            file.flush()
            progress(done, total or done)
    except CUT:
        return done - start, False
    return done - start, total is None or done == total


def _extent(answer: Any, there: int) -> tuple[int, int | None]:
    """The place of the first byte that comes, and the size of the whole file, if it is told."""
    if answer.status == http.client.PARTIAL_CONTENT:
        found = RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if found and int(found[1]) == there:
            return there, _size(found[2])
        raise http.client.HTTPException("it sends another range than was asked for")
    return 0, _size(answer.headers.get("Content-Length", ""))


def _size(text: str) -> int | None:
    """A number of bytes as a header states it, or None."""
    return int(text) if SIZE.fullmatch(text) else None


def _require_size(url: str, size: int) -> None:
    if size > LARGEST:
        raise DataError(f"{url} has more than {LARGEST:,} bytes, which no data set here has")


def _require_room(url: str, part: Path, start: int, total: int | None) -> None:
    if total is not None:
        _require_size(url, total)
        require_disk(part.parent, total - start)


def require_disk(folder: Path, size: int) -> None:
    """Raises DataError where a folder's disk has no room for so many bytes more."""
    free = shutil.disk_usage(folder).free
    if size + SPARE > free:
        raise DataError(
            f"{folder}: {size / 1e6:,.0f} MB are to be written, and the disk has {free / 1e6:,.0f} MB "
            "free; make room, or choose a folder on another disk"
        )


def md5(path: Path) -> str:
    """The checksum of a file as its publisher states it."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
