"""Damaged files with their checksums made right again: readers see the damage behind a checksum.

Each returns the bytes as they are where too little is whole.
"""

from __future__ import annotations

import gzip
import json
import struct
import zlib

from delrec_compile.network.tensor_file import CHECKSUM
from delrec_compile.system.fields import SEAL, sealed_text

ENTRY, LOCAL = b"PK\x01\x02", b"PK\x03\x04"


def tensors(data: bytes) -> bytes:
    """A safetensors file without its checksum, which is then not asked for."""
    end = 8 + int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8:end])
        del header["__metadata__"][CHECKSUM]
    except (ValueError, LookupError, TypeError, RecursionError):
        return data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[end:]


def manifest(data: bytes) -> bytes:
    """A JSON object with its own checksum."""
    try:
        held = json.loads(data)
        return sealed_text({k: v for k, v in held.items() if k != SEAL}).encode()
    except (ValueError, AttributeError, TypeError, RecursionError):
        return data


def lines(data: bytes) -> bytes:
    """Lines that each begin with their CRC."""
    bodies = [line.partition(b" ")[2] for line in data.splitlines()]
    return b"".join(b"%08x %s\n" % (zlib.crc32(body), body) for body in bodies)


def packed(data: bytes) -> bytes:
    """A gzip file whose content is the damaged bytes after its header: those of a tar."""
    return gzip.compress(data, 1, mtime=0)


def archive(data: bytes) -> bytes:
    """A zip archive whose stored entries have the CRC of what they hold now."""
    out, at = bytearray(data), data.find(ENTRY)
    while at >= 0 and at + 46 <= len(data):
        kind, size = (
            struct.unpack_from("<H", data, at + 10)[0],
            *struct.unpack_from("<I", data, at + 20),
        )
        place = int(struct.unpack_from("<I", data, at + 42)[0])
        if kind == 0 and data[place : place + 4] == LOCAL and place + 30 <= len(data):
            names, extra = struct.unpack_from("<HH", data, place + 26)
            start = place + 30 + names + extra
            crc = struct.pack("<I", zlib.crc32(data[start : start + size]))
            out[at + 16 : at + 20] = out[place + 14 : place + 18] = crc
        at = data.find(ENTRY, at + 4)
    return bytes(out)
