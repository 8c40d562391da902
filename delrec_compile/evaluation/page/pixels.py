"""Images of matrices: PNG files in a data URI, one pixel an element, coloured by a palette."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = 128  # pixels of a side: larger matrices are averaged over blocks
LEVELS = 64
# ends and middle of the palettes, as red, green and blue; both read in grey and by the colour-blind
SEQUENTIAL = ((247, 251, 255), (107, 174, 214), (8, 48, 107))
DIVERGING = ((178, 88, 6), (247, 247, 247), (33, 102, 172))


def reduced(values: NDArray[Any], largest: int = LARGEST) -> NDArray[np.float64]:
    """The matrix, averaged over blocks so that no side is longer than `largest`."""
    out = np.asarray(values, np.float64)
    for axis in (0, 1):
        count = out.shape[axis]
        if count > largest:
            edges = np.linspace(0, count, largest + 1).astype(int)
            sums = np.add.reduceat(out, edges[:-1], axis=axis)
            widths = np.diff(edges)
            out = sums / (widths[:, None] if axis == 0 else widths)
    return out


def image(values: NDArray[Any], *, signed: bool) -> str:
    """A data URI. values: (rows, columns), the first row at the top. signed: colours meet at 0."""
    shown = reduced(values)
    if signed:
        top = float(np.abs(shown).max()) or 1.0
        share = (shown / top + 1) / 2
    else:
        low, high = float(shown.min()), float(shown.max())
        share = (shown - low) / (high - low or 1.0)
    levels = np.clip(np.rint(share * (LEVELS - 1)), 0, LEVELS - 1).astype(np.uint8)
    return uri(levels, palette(DIVERGING if signed else SEQUENTIAL))


def palette(ends: tuple[tuple[int, int, int], ...]) -> NDArray[np.uint8]:
    """(LEVELS, 3) colours between the ends."""
    at = np.linspace(0, len(ends) - 1, LEVELS)
    columns = [np.interp(at, range(len(ends)), [e[c] for e in ends]) for c in range(3)]
    return np.rint(np.stack(columns, axis=1)).astype(np.uint8)


def uri(levels: NDArray[np.uint8], colours: NDArray[np.uint8]) -> str:
    """A PNG of indices into the colours."""
    rows, columns = levels.shape
    lines = np.concatenate(
        [np.zeros((rows, 1), np.uint8), levels], axis=1
    )  # each begins: no filter
    header = struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)
    raw = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in (
            (b"IHDR", header),
            (b"PLTE", colours.tobytes()),
            (b"IDAT", zlib.compress(lines.tobytes(), 9)),
            (b"IEND", b""),
        )
    )
    return "data:image/png;base64," + base64.b64encode(raw).decode()
