"""Simulated drives as a header of constants: `python record.py FILE.npz drives.h`."""

import sys
from pathlib import Path

import numpy as np

DRIVES = 4


def header(values: np.ndarray) -> str:
    """values: (drives, steps, 6)."""
    rows = ",\n".join(
        "  {" + ", ".join(f"{v:.9g}f" for v in row) + "}" for row in values.reshape(-1, 6)
    )
    size = f"DRIVES = {len(values)}, STEPS = {values.shape[1]}"
    return f"enum {{ {size} }};\nconst float drives[DRIVES * STEPS][6] PROGMEM = {{\n{rows}\n}};\n"


if __name__ == "__main__":
    file, out = sys.argv[1:]
    Path(out).write_text(header(np.load(file)["values"][:DRIVES]))
