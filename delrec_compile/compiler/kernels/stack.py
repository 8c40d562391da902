"""The temporary arrays of kernels: on the stack up to a limit, in the caller's state beyond it.

A kernel of many steps takes fewer steps at a time where its arrays would not fit; where one step alone
does not fit, the arrays of one or more dtypes lie in the state, as the members `work_<dtype>`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from delrec_compile.artifact.abi import HOISTED_FROM
from delrec_compile.compiler.kernels.base import Kernel
from delrec_compile.system.chips import MemoryMap
from delrec_compile.targets.schedule import Schedule

KB = 1024
# bytes of all frames of a call but for the kernel's arrays: registers, arguments, alignment
FRAMES = {"library": 4 * KB, "sources": KB}
# bytes of stack that an entry takes at most; a chip's program has what its profile reserves
LIMITS = {"library": 56 * KB, "sources": 16 * KB}
# elements of each dtype that lie in the state
Workspace = Mapping[str, int]
# (name of the kernel, schedule, workspace) -> the kernel
Make = Callable[[str, Schedule, Workspace], Kernel]


def limit_of(form: str, memory: MemoryMap | None = None) -> int | None:
    """Bytes of stack for the arrays of a kernel; None: there is no limit. memory: of a chip."""
    if form not in LIMITS:
        return None
    return max(0, (memory.stack if memory else LIMITS[form]) - FRAMES[form])


def fitted(schedule: Schedule, limit: int | None, make: Make) -> dict[str, Kernel]:
    """The kernels of the schedule, by name, with arrays of at most `limit` bytes on the stack."""
    names = [name for name in schedule.kernels if name != "sequence"]
    kernels = {name: make(name, schedule, {}) for name in names}
    if limit is not None and max(kernel.stack for kernel in kernels.values()) > limit:
        workspace = _workspace(list(kernels.values()), limit)
        return {name: make(name, schedule, workspace) for name in names}
    sequence = _sequence(schedule, limit, make) if "sequence" in schedule.kernels else None
    return kernels if sequence is None else {**kernels, "sequence": sequence}


def _workspace(kernels: Sequence[Kernel], limit: int) -> dict[str, int]:
    """The fewest bytes, by dtypes, without which the other arrays of every kernel fit."""
    largest: dict[str, int] = {}
    for kernel in kernels:
        for dtype, elements in kernel.arrays.items():
            largest[dtype] = max(elements, largest.get(dtype, 0))

    def size(arrays: Mapping[str, int], dtypes: Sequence[str]) -> int:
        return sum(arrays.get(d, 0) * np.dtype(d).itemsize for d in dtypes)

    sets = [s for n in range(1, len(largest) + 1) for s in combinations(sorted(largest), n)]
    enough = [s for s in sets if all(k.stack - size(k.arrays, s) <= limit for k in kernels)]
    chosen = min(enough, key=lambda dtypes: size(largest, dtypes))
    return {dtype: largest[dtype] for dtype in chosen}


def _sequence(schedule: Schedule, limit: int | None, make: Make) -> Kernel | None:
    """The kernel of many steps, as many at a time as fit; None where too few fit to gain by it."""
    chunk = schedule.chunk
    while chunk >= HOISTED_FROM:
        kernel = make("sequence", replace(schedule, chunk=chunk), {})
        if limit is None or kernel.stack <= limit:
            return kernel
        chunk = min(chunk - 1, chunk * limit // kernel.stack)
    return None


def stack_bytes(
    kernels: Mapping[str, Kernel], form: str, inputs: int, listening: tuple[int, int] = (0, 0)
) -> int | None:
    """Most bytes of stack that an entry of an artifact takes; None where it has no kernel here.

    inputs: those that `step_events` counts on the stack; 0 without it. listening: bytes of the counts
    that `listen` has on the stack, and of the front end's own arrays; 0 without one.
    """
    if form not in FRAMES:
        return None
    entries = [k.stack for name, k in kernels.items() if name != "trace" or form == "library"]
    counts, own = listening
    most = max(max(entries) + inputs, max(*entries, own) + counts)
    return -(-(most + FRAMES[form]) // 8) * 8
