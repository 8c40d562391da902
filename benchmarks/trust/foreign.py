"""Row 6: damaged and hand-made files through every reader: refused or read, soon, in little memory."""

from __future__ import annotations

from pathlib import Path

from benchmarks.trust.isolated import isolated
from benchmarks.trust.mutations import mutated
from benchmarks.trust.readers import READERS
from benchmarks.trust.row import Result, Scale

CPU_S, BYTES = 5.0, 2 << 30


def measure(folder: Path, scale: Scale) -> Result:
    """Mutations of a good file of each kind."""
    result, slowest, largest = Result(), 0.0, 0
    for name, reader in READERS.items():
        path = reader.make(folder)
        reader.read(path)  # the whole file is read, or the row would prove nothing
        raw = path.read_bytes()
        for data in mutated(raw, scale.of(600, 12)):
            path.write_bytes(data)
            outcome = isolated(reader.read, path)
            fault = None
            if outcome.is_fault:
                fault = f"{name}: {outcome.kind}: {outcome.said}"
            elif outcome.cpu_s > CPU_S:
                fault = f"{name}: {outcome.cpu_s:.0f} s"
            elif outcome.resident_bytes > BYTES:
                fault = f"{name}: {outcome.resident_bytes >> 20} MB"
            slowest, largest = max(slowest, outcome.cpu_s), max(largest, outcome.resident_bytes)
            result.count(outcome.kind, fault)
        path.unlink()
    result.figures = {"cpu_s": round(slowest, 2), "resident_mb": largest >> 20}
    return result
