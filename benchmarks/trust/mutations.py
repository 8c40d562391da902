"""Damage of files that knows nothing of their format."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

TEXTS = (b"[" * 20_000, b"1e999", b"9" * 5000, b"\xff\xfe", b"\0")


def mutated(raw: bytes, number: int, seed: int = 2604) -> Iterator[bytes]:
    """Bits flipped, bytes set, cut, doubled and taken out, and text that is nested or huge."""
    random = np.random.default_rng(seed)
    for k in range(number):
        data, at = bytearray(raw), int(random.integers(len(raw)))
        size = int(random.integers(1, 9))
        match k % 6:
            case 0:
                data[at] ^= 1 << int(random.integers(8))
            case 1:
                data[at : at + size] = random.bytes(size)
            case 2:
                del data[at:]
            case 3:
                data[at:at] = data[at : at + 64]
            case 4:
                del data[at : at + size]
            case _:
                data[at:at] = TEXTS[k // 6 % len(TEXTS)]
        yield bytes(data)
