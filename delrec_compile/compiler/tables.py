"""Constant tables as C has them: numbers as text, or bytes that an assembler takes from a file."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.artifact.abi import CTYPES

TABLE_ALIGN = 256
EMBEDDED_ALIGN = 64  # bytes, of each table in memory


def described(
    tables: Mapping[str, NDArray[Any]], name: str, embedded: Path | None
) -> list[dict[str, Any]]:
    """The constant tables for templates: each with its numbers as text, or what embeds them."""
    offsets = table_offsets(tables)
    return [_table(key, table, offsets[key], name, embedded) for key, table in tables.items()]


def _table(
    key: str, table: NDArray[Any], offset: int, name: str, embedded: Path | None
) -> dict[str, Any]:
    """A constant table. offset: its place in `table_file`."""
    if embedded is None:
        text = {"body": c_array(table), "embedded": ""}
    else:
        directives = _directives(f"{name}_{key}", embedded, offset, table.nbytes)
        text = {"body": "", "embedded": c_string(directives)}
    kind = {"name": key, "size": table.size, "ctype": CTYPES[str(table.dtype)]}
    return {**kind, **text, "offset": offset, "crc": crc(table)}


def _directives(symbol: str, file: Path, offset: int, size: int) -> str:
    """What the assembler of an ELF object makes a hidden table of, from bytes of a file."""
    path = "".join(c if c not in '"\\' and c >= " " else f"\\{ord(c):03o}" for c in str(file))
    lines = (
        f'.pushsection .rodata.{symbol},"a",%progbits',
        f".balign {EMBEDDED_ALIGN}",
        f".globl {symbol}",
        f".hidden {symbol}",
        f".type {symbol}, %object",
        f".size {symbol}, {size}",
        f"{symbol}:",
        f'.incbin "{path}", {offset}, {size}',
        ".popsection",
    )
    return "\n".join(lines)


def crc(table: NDArray[Any]) -> str:
    """C literal of a table's CRC-32, little-endian."""
    return crc_of(table.astype(table.dtype.newbyteorder("<")).tobytes())


def crc_of(raw: bytes) -> str:
    return f"{zlib.crc32(raw):#010x}u"


def table_offsets(tables: Mapping[str, NDArray[Any]]) -> dict[str, int]:
    """Offset of each table in `table_file`, in bytes."""
    at, out = 0, {}
    for name, table in tables.items():
        out[name] = at
        at += -(-table.nbytes // TABLE_ALIGN) * TABLE_ALIGN
    return out


def table_file(tables: Mapping[str, NDArray[Any]]) -> bytes:
    """The tables one after another, little-endian, each at a multiple of TABLE_ALIGN bytes."""
    raw = [t.astype(t.dtype.newbyteorder("<")).tobytes() for t in tables.values()]
    return b"".join(r + bytes(-len(r) % TABLE_ALIGN) for r in raw)


def c_array(values: NDArray[Any]) -> str:
    """Elements of a C initialiser; floats in hexadecimal, which is exact."""
    if values.dtype == np.float32:
        elements = [f"{v.hex()}f" for v in values.astype(float).tolist()]
    else:
        elements = [str(v) for v in values.tolist()]
    return "\n".join(", ".join(elements[i : i + 8]) + "," for i in range(0, len(elements), 8))


def c_string(text: str) -> str:
    """A C literal of UTF-8; octal escapes end after three digits, and leave no trigraph."""
    plain = set(range(32, 127)) - set(b'"\\?')
    body = "".join(chr(b) if b in plain else f"\\{b:03o}" for b in text.encode())
    return f'"{body}"'
