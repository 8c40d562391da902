"""Damage of files that knows nothing of their format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

TEXTS = (b"[" * 20_000, b"1e999", b"9" * 5000, b"\xff\xfe", b"\0")
KINDS = ("flip", "set", "cut", "double", "take out", "insert")


@dataclass(frozen=True)
class Damage:
    """One damage. place: share of the file before it, in 0..1. number: which bit, bytes or text."""

    kind: str
    place: float
    size: int
    number: int

    def of(self, raw: bytes) -> bytes:
        """The damaged bytes; another kind of damage may leave them as they are."""
        data, at, size = bytearray(raw), min(int(self.place * len(raw)), len(raw) - 1), self.size
        match self.kind:
            case "flip":
                data[at] ^= 1 << self.number % 8
            case "set":
                data[at : at + size] = np.random.default_rng(self.number).bytes(size)
            case "cut":
                del data[at:]
            case "double":
                data[at:at] = data[at : at + 64]
            case "take out":
                del data[at : at + size]
            case _:
                data[at:at] = TEXTS[self.number % len(TEXTS)]
        return bytes(data)


def mutated(raw: bytes, number: int, seed: int = 2604) -> Iterator[bytes]:
    """Bits flipped, bytes set, cut, doubled and taken out, and text that is nested or huge."""
    random = np.random.default_rng(seed)
    for k in range(number):
        place, size = random.random(), int(random.integers(1, 9))
        which = int(random.integers(1 << 31)) if k % 6 < 2 else k // 6
        yield Damage(KINDS[k % 6], float(place), size, which).of(raw)
