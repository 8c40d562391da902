"""Importers of other installed packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.result import Imported
from delrec_compile.network.plan import Plan
from delrec_compile.system import plugins


@dataclass(frozen=True)
class AddedReader:
    """An importer: an object or a module with `takes(source)` and `read(source, **options)`.

    point: its entry point. importer: `takes` says whether a source is its own, a path or a live model;
    `read` returns an `Imported`.
    """

    point: EntryPoint
    importer: Any

    @property
    def package(self) -> str:
        """The package that it is of."""
        return plugins.origin(self.point)

    def read(self, model: Any, options: Mapping[str, Any]) -> Imported:
        """Imports the model. Raises UnsupportedError for what is no network, and where it fails."""
        made = plugins.guarded(self.point, lambda: self.importer.read(model, **options))
        if not isinstance(made, Imported):
            raise UnsupportedError(
                f"package {self.package} made a {type(made).__name__}; an Imported is required"
            )
        return made

    def plan(self, model: Any, source: str, options: Mapping[str, Any]) -> Plan:
        """Raises UnsupportedError: these importers have no plans."""
        raise UnsupportedError(f"{source} is read by package {self.package}, which plans nothing")


def reader_of(source: Any) -> AddedReader | None:
    """The first importer that takes the source, by name. Raises UnsupportedError for a broken one."""
    for point, importer in plugins.loaded(plugins.IMPORTERS):
        if plugins.guarded(point, _takes, importer, source):
            return AddedReader(point, importer)
    return None


def _takes(importer: Any, source: Any) -> bool:
    return bool(importer.takes(source))
