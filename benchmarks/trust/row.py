"""How much of a row is measured, and what measuring it gave."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Scale:
    """How much of a row is measured: the whole, a share of it, or a part of it that takes seconds."""

    full: bool = False
    share: float = 1.0  # of the whole

    def of(self, full: int, short: int) -> int:
        if not self.full:
            return short
        return max(round(full * self.share), min(full, short))


@dataclass
class Result:
    """Counts of outcomes, and what breaks the promise.

    tried: cases that ran. outcomes: how many ended in which way. broken: each case that broke the
    promise, in words. The promise is kept where something was tried and nothing is broken.
    """

    tried: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        return self.tried > 0 and not self.broken

    def count(self, outcome: str, fault: str | None = None) -> None:
        """One case with its outcome; `fault` says why it breaks the promise."""
        self.tried += 1
        self.outcomes[outcome] += 1
        if fault is not None:
            self.broken.append(fault)

    def to_json(self) -> dict[str, Any]:
        return {
            "kept": self.kept,
            "tried": self.tried,
            "outcomes": dict(self.outcomes),
            "broken": self.broken[:20],
            "broken_count": len(self.broken),
            **self.figures,
        }
