"""Ops of other installed packages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from delrec_compile.errors import UnsupportedError
from delrec_compile.system import plugins


def register(tables: Mapping[type, dict[str, Any]]) -> None:
    """Adds the class of each entry point to the table of its base, under its `kind`.

    Raises UnsupportedError for a class under no base, one that lacks a part of its base, and for a
    kind that is there already.
    """
    for point, op in plugins.loaded(plugins.OPS):
        where = plugins.where(point)
        fitting = [t for base, t in tables.items() if isinstance(op, type) and issubclass(op, base)]
        if not fitting:
            bases = ", ".join(base.__name__ for base in tables)
            raise UnsupportedError(f"{where}: {op!r} is no class under {bases}; uninstall it")
        kind = getattr(op, "kind", None)
        if not isinstance(kind, str) or kind in fitting[0]:
            raise UnsupportedError(f"{where}: the kind {kind!r} is no new name; uninstall it")
        if lacking := _lacking(op):
            raise UnsupportedError(f"{where}: {op.__name__} lacks {', '.join(lacking)}; update it")
        fitting[0][kind] = op


def _lacking(op: type) -> list[str]:
    """The methods and the names of its base that a class does not define."""
    declared = {
        name
        for base in op.__mro__
        for name, kind in vars(base).get("__annotations__", {}).items()
        if str(kind).startswith("ClassVar")
    }
    missing = {name for name in declared if not hasattr(op, name)}
    return sorted(missing | getattr(op, "__abstractmethods__", frozenset()))
