"""What other installed packages add, by entry points of their metadata.

`delrec_compile.targets`: the name of a target, and a package that holds `<name>.toml`.
`delrec_compile.ops`: a name, and the class of an op, under one of the bases in `ops`.
`delrec_compile.importers`: a name, and a module or an object with `takes` and `read`: see
`interop.added`.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from delrec_compile.errors import UnsupportedError

TARGETS, OPS, IMPORTERS = (f"delrec_compile.{kind}" for kind in ("targets", "ops", "importers"))


def found(group: str) -> dict[str, EntryPoint]:
    """The entry points of a group by name. Raises UnsupportedError for a name of two packages."""
    known: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=group), key=lambda p: p.name):
        other = known.setdefault(point.name, point)
        if other.value != point.value:
            raise UnsupportedError(
                f"{group}: '{point.name}' is of two packages, {origin(other)} and {origin(point)}; "
                "uninstall one"
            )
    return known


def origin(point: EntryPoint) -> str:
    """The package that an entry point is of."""
    return point.dist.name if point.dist is not None else point.module


def load(point: EntryPoint) -> Any:
    """What an entry point names: its package is imported. Raises UnsupportedError if that fails."""
    try:
        return point.load()
    except Exception as error:
        raise UnsupportedError(
            f"package {origin(point)}, entry point '{point.name}' of {point.group}: {error!r}; "
            "update or uninstall it"
        ) from error


def loaded(group: str) -> Iterator[tuple[EntryPoint, Any]]:
    """Every entry point of a group, and what it names."""
    for point in found(group).values():
        yield point, load(point)
