"""Row 12: a damaged tuning store loses no good record, uses no damaged one, and is mended."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmarks.trust.row import Result, Scale
from delrec_compile.aliases import Numeric
from delrec_compile.compiler.schedules.store import Key, Store, read

KEY = Key("0", "x86_64", "any", Numeric.FLOAT32, "c", {"parts": []})
RECORDS = 40


def measure(folder: Path, scale: Scale) -> Result:
    """Lines cut, flipped, joined, replaced and dropped; then what is read, before and after repair."""
    result, store, r = Result(), Store(folder / "db"), np.random.default_rng(12)
    records = [{"trial": {"number": n, "pad": "x" * int(r.integers(200))}} for n in range(RECORDS)]
    store.append(KEY, *records)
    path = store.path(KEY)
    lines = path.read_bytes().splitlines(keepends=True)
    written = [json.dumps(record, sort_keys=True) for record in records]
    for i in range(scale.of(1000, 60)):
        damaged, hit = _damaged(lines, i % 6, r)
        path.write_bytes(b"".join(damaged))
        kept = {written[n - 1] for n in range(1, len(lines)) if n not in hit}
        fault = None
        for stage in ("read", "repaired"):
            have = {json.dumps(record, sort_keys=True) for record in read(path).records}
            if kept - have:
                fault = f"damage {i}, {stage}: {len(kept - have)} good records are lost"
            if have - set(written):
                fault = f"damage {i}, {stage}: a damaged record is used"
            store.repair(path, KEY)
        if read(path).bad:
            fault = f"damage {i}: still damaged after the repair"
        result.count("kept" if fault is None else "lost", fault)
        for file in (folder / "db").iterdir():
            file.unlink()
    return result


def _damaged(lines: list[bytes], way: int, r: np.random.Generator) -> tuple[list[bytes], set[int]]:
    """The lines with one damage, and the numbers of those that it touches."""
    changed, j = list(lines), int(r.integers(len(lines)))
    hit = {j}
    match way:
        case 0:
            changed[j] = changed[j][: int(r.integers(len(changed[j])))]
            hit |= {j + 1}
        case 1:
            line, at = bytearray(changed[j]), int(r.integers(len(changed[j])))
            line[at] ^= 1 << int(r.integers(8))
            changed[j] = bytes(line)
            hit |= {j + 1} if at == len(line) - 1 else set()
        case 2:
            changed[j] = changed[j].rstrip(b"\n")
            hit |= {j + 1}
        case 3:
            changed[j] = r.bytes(60).replace(b"\n", b" ") + b"\n"
        case 4:
            changed.insert(j, b"\0\xff\xfe garbage\r\x0b\x0c\x1c\n")
            hit = set()
        case _:
            changed[j] = b""
    return changed, hit
