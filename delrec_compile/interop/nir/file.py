"""Files of NIR graphs: read entry by entry, with each fault named by its node.

A file is untrusted: it may hold links out of itself, arrays that unpack to any size, and bytes over
which the HDF5 library never ends. It is read in a child process first, with limits of time and memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from delrec_compile.errors import CheckpointError
from delrec_compile.interop.packages import package
from delrec_compile.system import limited

MAX_BYTES = 1 << 30  # of all arrays together
MAX_ENTRIES = 100_000
MAX_DEPTH = 16
TYPES = ("input_type", "output_type")
SHAPE = "input_shape"  # of convolutions: not needed, shapes are followed from the input


def read(path: Path | str) -> Any:
    """The graph of a .nir file. Raises CheckpointError."""
    package("nir")
    limited.call(f"{__name__}:probe", path, error=CheckpointError)
    return _graph(str(path), entries(path), "")


def probe(path: str) -> int:
    """In the child: reads the whole file, and returns the number of its entries."""
    return len(entries(path))


def entries(path: Path | str) -> dict[str, Any]:
    """The entries of the file as nested dicts of arrays, numbers and text. Raises CheckpointError."""
    h5py = package("h5py")
    if not Path(path).is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        with h5py.File(path, "r") as file:
            if "node" not in file:
                held = ", ".join(list(file)[:5]) or "nothing"
                raise CheckpointError(f"{path} is not a NIR graph: it has no 'node', but {held}")
            return _Entries(str(path)).group(file["node"], "node", 0)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise CheckpointError(
            f"{path} is not a readable NIR graph: a damaged HDF5 file of "
            f"{Path(path).stat().st_size:,} bytes; copy it again, or write it again"
        ) from error


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


def _graph(path: str, held: Mapping[str, Any], where: str) -> Any:
    """The graph of its entries; the types of its nodes are not compared here."""
    nir, place = package("nir"), f"{path}: {where}" if where else path
    for key in ("nodes", "edges"):
        if key not in held:
            raise CheckpointError(f"{place} has no '{key}'; a NIR graph is required")
    nodes = {
        name: _node(path, f"{where}{name}", node) for name, node in dict(held["nodes"]).items()
    }
    edges = [_edge(place, edge) for edge in held["edges"]]
    for a, b in edges:
        for name in (a, b):
            if name not in nodes:
                raise CheckpointError(
                    f"{place} is damaged: an edge goes from '{a}' to '{b}', and there is no node "
                    f"'{name}'; nodes: {', '.join(sorted(nodes)[:12])}. Write the graph again"
                )
    metadata = held.get("metadata", {})
    return nir.NIRGraph(nodes, edges, metadata=metadata, type_check=False)


def _edge(place: str, edge: Any) -> tuple[str, str]:
    try:
        a, b = (v.decode("utf8") if isinstance(v, bytes) else str(v) for v in edge)
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{place}: an edge that is not a pair of names; write the graph again"
        ) from error
    return a, b


def _node(path: str, name: str, held: Any) -> Any:
    """A node of its entries. Raises CheckpointError, with its name."""
    nir = package("nir")
    kind = held.get("type") if isinstance(held, dict) else None
    if kind == "NIRGraph":
        return _graph(path, held, f"{name}.")
    cls = getattr(nir, str(kind), None)
    if not (isinstance(cls, type) and issubclass(cls, nir.NIRNode)):
        raise CheckpointError(f"{path}: node '{name}' is of an unknown type ({kind})")
    known = [f for f in dataclasses.fields(cls) if f.init and f.name not in TYPES]
    names = {f.name for f in known}
    needed = ["shape"] if kind in ("Input", "Output") else [f.name for f in known if _required(f)]
    values = {**({SHAPE: None} if SHAPE in names else {}), **held}
    for key in needed:
        if key not in values:
            raise CheckpointError(f"{path}: node '{name}', a {kind}, has no {key}")
    try:
        build: Any = cls
        return build.from_dict(values)
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        unknown = ", ".join(sorted(set(held) - names - {*TYPES, "type", "shape"}))
        why = f"unknown entries {unknown}" if unknown else "its values do not fit each other"
        raise CheckpointError(
            f"{path}: node '{name}', a {kind}: {why}; write the graph again"
        ) from error


def _required(field: Any) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing
