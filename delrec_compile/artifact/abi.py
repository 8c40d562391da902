"""Names, types and limits of the C interface that an artifact and its callers share."""

from __future__ import annotations

import re

BATCH = "run_batch"  # the entry of many streams, of libraries only

CTYPES = {
    "float32": "float",
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "uint8": "uint8_t",
    "uint16": "uint16_t",
    "uint32": "uint32_t",
}


# of x, y or spikes in one call: what a 32-bit index reaches
MOST_ELEMENTS = (1 << 31) - 1

HOISTED_FROM = 4  # steps in one call from which on a sequence kernel is used


def c_name(text: str) -> str:
    """The text as a C identifier."""
    name = re.sub(r"\W", "_", text, flags=re.ASCII)
    return name if name and not name[0].isdigit() else f"n_{name}"


ENTRIES = ("reset", "step", "run", "trace", "state_bytes", "self_test")
