"""The plan of a conversion: what each part of a foreign model becomes, or why it is refused."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from delrec_compile.errors import UnsupportedError


@dataclass(frozen=True)
class PlannedPart:
    """A module, a node or a layer of a foreign model.

    name, kind: those that it has there, such as `conv1` and `Conv2d`. becomes: what it is here, empty
    if it is refused. refused: why, empty if it is not. instead: what would do, if anything is known.
    """

    name: str
    kind: str
    becomes: str = ""
    refused: str = ""
    instead: str = ""


@dataclass(frozen=True)
class Plan:
    """The parts of a model in their order. source: its file or `module:function`. form: its kind."""

    source: str
    form: str
    parts: tuple[PlannedPart, ...]
    remarks: tuple[str, ...] = ()

    @property
    def refused(self) -> tuple[PlannedPart, ...]:
        """The parts that stand in the way."""
        return tuple(part for part in self.parts if part.refused)

    @property
    def ok(self) -> bool:
        """Whether the model can be converted as far as its parts tell."""
        return not self.refused

    @property
    def exit_code(self) -> int:
        """0, or that of a refused model."""
        return 0 if self.ok else UnsupportedError.exit_code

    def as_dict(self) -> dict[str, Any]:
        """The fields for JSON."""
        return {**asdict(self), "ok": self.ok, "refused": len(self.refused)}
