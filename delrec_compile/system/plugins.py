"""What other installed packages add, by entry points of their metadata.

`delrec_compile.targets`: the name of a target, and a package that holds `<name>.toml`.
`delrec_compile.ops`: a name, and the class of an op, under one of the bases in `ops`.
`delrec_compile.importers`: a name, and a module or an object with `takes` and `read`: see
`interop.added`.

Code of these packages runs: of `ops` wherever a network is used, of the others where they are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from delrec_compile.errors import DelrecError, UnsupportedError

R = TypeVar("R")

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
    return guarded(point, point.load)


def guarded(point: EntryPoint, function: Callable[..., R], *args: Any) -> R:
    """What a function of another package returns.

    Its DelrecErrors are its own; any other error, and an exit, is an UnsupportedError that names it.
    """
    try:
        return function(*args)
    except DelrecError:
        raise
    except (Exception, SystemExit) as error:
        raise UnsupportedError(f"{where(point)}: {error!r}; update or uninstall it") from error


def where(point: EntryPoint) -> str:
    """An entry point, for messages."""
    return f"package {origin(point)}, entry point '{point.name}' of {point.group}"


def loaded(group: str) -> Iterator[tuple[EntryPoint, Any]]:
    """Every entry point of a group, and what it names."""
    for point in found(group).values():
        yield point, load(point)
