"""Memory that a training frees after each batch and needs again in the next one."""

from __future__ import annotations

import ctypes
import sys

TRIM, MMAP = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
KEPT, LARGEST = 1 << 28, 1 << 25  # bytes; the second: the most that glibc allows


def keep() -> None:
    """Lets this process keep freed blocks of some MiB, where the C library is glibc.

    It would give them back to the system, which then clears every page of the next batch: up to a
    quarter of the time of a training.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(TRIM, KEPT)
        mallopt(MMAP, LARGEST)
