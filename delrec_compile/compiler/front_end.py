"""The front end of a network as the files of an artifact: its kernel, and the C around it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.artifact.templates import render_files
from delrec_compile.compiler.kernels.base import Kernel
from delrec_compile.compiler.kernels.front_end import compose_front_end
from delrec_compile.compiler.tables import c_array
from delrec_compile.data.front_end import RATE_HZ, FrontEnd
from delrec_compile.network.golden import GOLDEN_FACTOR, GOLDEN_SEED, GOLDEN_TERM
from delrec_compile.targets.schedule import Schedule

TEMPLATES = {"{name}_frontend.h": "frontend.h.in", "{name}_frontend.c": "frontend.c.in"}
KERNEL = "frontend"
STEPS = 10  # of the self-test: the last one has noise of full scale
SCALAR = Schedule(1, 8, "branch")  # channel after channel in registers, on every target
Write = Callable[[Path, str], None]


def front_end_files(front: FrontEnd, name: str, outputs: int, aligned: bool) -> dict[str, str]:
    """Text of the header and of the C around the kernel, by file name.

    outputs: of the network. aligned: members of the state at multiples of 64 bytes, as in a library.
    """
    table = np.stack(list(front.check().coefficients.values()), axis=1).reshape(-1)
    guard = f"{name.upper()}_H_ALIGNED "
    variables: dict[str, Any] = {
        "name": name,
        "macro": name.upper(),
        "align": guard if aligned else "",
        "channels": front.channels,
        "block": front.block,
        "step_ms": front.step_ms,
        "rate": RATE_HZ,
        "lowest": f"{front.lowest_hz:g}",
        "highest": f"{front.highest_hz:g}",
        "outputs": outputs,
        "members": [{"name": n, "size": v.size} for n, v in front.fresh().items()],
        "filters": {"size": table.size, "body": c_array(table)},
        "golden": _golden(front),
    }
    return render_files(TEMPLATES, variables)


def front_end_kernel(front: FrontEnd, generator: str) -> Kernel:
    """The kernel. generator: `llvm` or `c`."""
    return compose_front_end(front, SCALAR, generator)


def _golden(front: FrontEnd) -> dict[str, Any]:
    """The sound of the self-test, and the FNV-1a hash of the counts that it gives."""
    pcm = golden_pcm(front)
    hashed = 0x811C9DC5
    for count in front.encode(pcm[None]).ravel().tolist():
        hashed = ((hashed ^ count) * 0x01000193) & 0xFFFFFFFF
    constants = {"seed": GOLDEN_SEED, "factor": GOLDEN_FACTOR, "term": GOLDEN_TERM}
    return {**constants, "steps": STEPS, "hash": f"{hashed:#010x}"}


def golden_pcm(front: FrontEnd) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Noise that doubles from step to step: (STEPS * block,) int16."""
    random, out = GOLDEN_SEED, []
    for t in range(STEPS):
        for _ in range(front.block):
            random = (random * GOLDEN_FACTOR + GOLDEN_TERM) & 0xFFFFFFFF
            out.append((random >> 16) % (64 << t) - (32 << t))
    return np.array(out, np.int16)
