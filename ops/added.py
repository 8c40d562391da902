"""Ops of other installed packages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from delrec_compile.errors import UnsupportedError
from delrec_compile.system import plugins


def register(tables: Mapping[type, dict[str, Any]]) -> None:
    """Adds the class of each entry point to the table of its base, under its `kind`.

    Raises UnsupportedError for a class under no base, and for a kind that is there already.
    """
    for point, op in plugins.loaded(plugins.OPS):
        where = f"package {plugins.origin(point)}, entry point '{point.name}' of {plugins.OPS}"
        fitting = [t for base, t in tables.items() if isinstance(op, type) and issubclass(op, base)]
        if not fitting:
            bases = ", ".join(base.__name__ for base in tables)
            raise UnsupportedError(f"{where}: {op!r} is no class under {bases}; uninstall it")
        kind = getattr(op, "kind", None)
        if not isinstance(kind, str) or kind in fitting[0]:
            raise UnsupportedError(f"{where}: the kind {kind!r} is no new name; uninstall it")
        fitting[0][kind] = op
