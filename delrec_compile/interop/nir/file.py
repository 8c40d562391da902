"""Files of NIR graphs: read entry by entry, with each fault named by its node."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.errors import CheckpointError
from delrec_compile.interop.hdf5_entries import checked_entries
from delrec_compile.interop.packages import package
from delrec_compile.network.tensor_file import DAMAGE

TYPES = ("input_type", "output_type")
SHAPE = "input_shape"  # of convolutions: not needed, shapes are followed from the input


def read(path: Path | str) -> Any:
    """The graph of a .nir file. Raises CheckpointError."""
    package("nir")
    return graph_of(str(path), checked_entries(path, "node", "NIR graph"))


def graph_of(path: str, held: Mapping[str, Any], where: str = "") -> Any:
    """The graph of its entries; the types of its nodes are not compared here.

    where: of a graph in a graph, the names above it. Raises CheckpointError.
    """
    nir, place = package("nir"), f"{path}: {where}" if where else path
    for key in ("nodes", "edges"):
        if key not in held:
            raise CheckpointError(f"{place} has no '{key}'; a NIR graph is required")
    if not isinstance(held["nodes"], Mapping):
        raise CheckpointError(f"{place}: 'nodes' is no group of nodes; write the graph again")
    nodes = {name: _node(path, f"{where}{name}", node) for name, node in held["nodes"].items()}
    edges = [_edge(place, edge) for edge in np.atleast_1d(held["edges"])]
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
    kind = str(held.get("type")) if isinstance(held, dict) else None
    if kind == "NIRGraph":
        return graph_of(path, held, f"{name}.")
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
        with np.errstate(all="ignore"):  # the package divides by strides
            return build.from_dict(values)
    except (AssertionError, *DAMAGE) as error:
        unknown = ", ".join(sorted(set(held) - names - {*TYPES, "type", "shape"}))
        why = f"unknown entries {unknown}" if unknown else "its values do not fit each other"
        raise CheckpointError(
            f"{path}: node '{name}', a {kind}: {why}; write the graph again"
        ) from error


def _required(field: Any) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing
