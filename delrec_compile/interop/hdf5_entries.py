"""Entries of HDF5 files that others wrote, as nested dicts.

A file is untrusted: it may hold links out of itself, arrays that unpack to any size, and bytes over
which the HDF5 library never ends. It is read in a child process first, with limits of time and memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from delrec_compile.errors import CheckpointError
from delrec_compile.interop.packages import package
from delrec_compile.system import limited

MAX_BYTES = 1 << 30  # of all arrays together
MAX_VALUES = 1 << 24  # of the input or of a layer: files state sizes without any data
MAX_ENTRIES = 100_000
MAX_DEPTH = 16


def checked_entries(path: Path | str, root: str, kind: str) -> dict[str, Any]:
    """The entries under a group of the file. kind: what it should be. Raises CheckpointError."""
    if Path(path).is_file() and not limited.is_hdf5(path):
        raise CheckpointError(_damaged(path, kind))
    limited.call(f"{__name__}:probe", path, error=CheckpointError, root=root, kind=kind)
    return entries(path, root, kind)


def probe(path: str, root: str, kind: str) -> int:
    """In the child: reads the whole group, and returns the number of its entries."""
    return len(entries(path, root, kind))


def entries(path: Path | str, root: str, kind: str) -> dict[str, Any]:
    """The entries as nested dicts of arrays, numbers and text. Raises CheckpointError."""
    h5py = package("h5py")
    if not Path(path).is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        with h5py.File(path, "r") as file:
            if root not in file:
                held = ", ".join(list(file)[:5]) or "nothing"
                raise CheckpointError(f"{path} is not a {kind}: it has no '{root}', but {held}")
            return _Entries(str(path)).group(file[root], root, 0)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise CheckpointError(_damaged(path, kind)) from error


def _damaged(path: Path | str, kind: str) -> str:
    return (
        f"{path} is not a readable {kind}: a damaged HDF5 file of "
        f"{Path(path).stat().st_size:,} bytes; copy it again, or write it again"
    )


class _Entries:
    """Reads groups; counts what it has read."""

    def __init__(self, path: str) -> None:
        self.path, self.bytes, self.entries = path, 0, 0

    def group(self, group: Any, where: str, depth: int) -> dict[str, Any]:
        h5py = package("h5py")
        if depth > MAX_DEPTH:
            raise CheckpointError(f"{self.path}: {where} is nested more than {MAX_DEPTH} deep")
        if not isinstance(group, h5py.Group):
            raise CheckpointError(f"{self.path}: {where} is not a group of entries")
        out: dict[str, Any] = {}
        for key in group:
            name = f"{where}/{key}"
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise CheckpointError(f"{self.path}: {name} is a link; a graph holds its own data")
            self.entries += 1
            if self.entries > MAX_ENTRIES:
                raise CheckpointError(f"{self.path} has more than {MAX_ENTRIES:,} entries")
            item = group[key]
            inner = isinstance(item, h5py.Group)
            out[key] = self.group(item, name, depth + 1) if inner else self.value(item, name)
        return out

    def value(self, item: Any, name: str) -> Any:
        if item.is_virtual or item.external:
            raise CheckpointError(f"{self.path}: {name} lies in another file; it is not opened")
        self.bytes += int(item.nbytes)
        if self.bytes > MAX_BYTES:
            raise CheckpointError(
                f"{self.path}: its arrays are larger than {MAX_BYTES >> 30} GiB (at {name}, of shape "
                f"{list(item.shape)})"
            )
        value = item[()]
        return value.decode("utf8") if isinstance(value, bytes) else value
