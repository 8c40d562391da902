"""Accuracy of each class, from the classes of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ClassAccuracy:
    """One class. samples: number of samples with its label. correct: those classified as it."""

    name: str
    samples: int
    correct: int

    @property
    def accuracy(self) -> float:
        """The share of its samples that are correct."""
        return self.correct / self.samples


def class_names(labels: Sequence[str], *classes: Sequence[int]) -> list[str]:
    """The labels; where there are none, the numbers of the classes that occur."""
    if labels:
        return list(labels)
    return [str(c) for c in range(max((max(c, default=0) for c in classes), default=0) + 1)]


def counted(names: Sequence[str], predicted: Sequence[int]) -> list[tuple[str, int]]:
    """Each class that occurs, with the number of samples classified as it."""
    counts = [(name, list(predicted).count(k)) for k, name in enumerate(names)]
    return [(name, n) for name, n in counts if n]


def per_class(
    names: Sequence[str], predicted: Sequence[int], true: Sequence[int]
) -> list[ClassAccuracy]:
    """A row for each class that a sample has, in the order of `names`."""
    rows = []
    for k, name in enumerate(names):
        own = [p == k for p, t in zip(predicted, true, strict=True) if t == k]
        if own:
            rows.append(ClassAccuracy(name, len(own), sum(own)))
    return rows
