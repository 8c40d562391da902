"""Archives of others, .tar.gz, read within limits: a small one can ask for any memory and time."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PIECE = 1 << 24  # bytes that are read at once, such as a header
LARGEST = 1 << 30  # bytes that are unpacked on the way to a member
# errors of tarfile on bytes that are no archive; headers nest
DAMAGE = (OSError, EOFError, ValueError, RecursionError, tarfile.TarError, zlib.error)


@contextmanager
def opened(path: Path) -> Iterator[tarfile.TarFile]:
    """An archive, to be read from its start. Raises ValueError for a damaged one, and at a limit;
    OSError for a file that cannot be opened."""
    try:
        with gzip.open(path) as raw, tarfile.open(fileobj=_Bounded(raw), mode="r:") as tar:
            yield tar
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"no whole .tar.gz ({error})") from error


class _Bounded(io.RawIOBase):
    """What tarfile reads of a file. Raises OSError at a limit."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self.file = file

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= PIECE:
            raise OSError(f"a part of {size} bytes")
        return self.file.read(size)

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or place > LARGEST:
            raise OSError(f"a part at byte {place}")
        return self.file.seek(place)

    def tell(self) -> int:
        return self.file.tell()
