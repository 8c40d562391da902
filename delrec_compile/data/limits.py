"""Limits of what a file may ask for: its size in memory is known before it is read."""

from __future__ import annotations

import os
from pathlib import Path

from delrec_compile.errors import DataError

LARGEST = 16 << 30  # bytes, whatever the machine has
BOMB_RATIO, SMALL = 500, 64 << 20  # counts compress to less than 1 in 500 where they are no data


def available() -> int:
    """Bytes of memory that this machine can give."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    except (OSError, ValueError):
        pass
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def require_room(path: Path, size: int, what: str) -> None:
    """Raises DataError when `size` bytes are more than half of the memory, or than LARGEST."""
    most = min(available() // 2, LARGEST)
    if size > most:
        raise DataError(
            f"{path}: {what} would take {size / 1e9:,.1f} GB of memory; at most {most / 1e9:,.1f} GB "
            "are taken; use fewer samples or steps"
        )


def require_no_bomb(path: Path, size: int) -> None:
    """Raises DataError when a file unpacks to far more than counts do."""
    packed = path.stat().st_size
    if size > SMALL and size > BOMB_RATIO * packed:
        raise DataError(
            f"{path}: {packed:,} bytes would unpack to {size:,}; counts of spikes do not, so it is "
            "not read"
        )
