"""Calls a function that reads a file of others, with a limit of time and memory.

Libraries for HDF5 loop for ever, ask for any amount of memory, or die on some damaged files.
"""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

from delrec_compile.errors import CompilerCrash, InputError
from delrec_compile.system import child
from delrec_compile.system.process import resolve

SECONDS, BYTES_PER_SECOND = 60.0, 1 << 20  # of a small file; and more for large ones
MEMORY = 16 << 30  # bytes of address space


MARK, FIRST_BLOCK = b"\x89HDF\r\n\x1a\n", 512


def is_hdf5(path: Path | str) -> bool:
    """Whether the file has the mark of HDF5: at its start, or behind a block of 512, 1024, .. bytes."""
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        at = 0
        while at < size:
            file.seek(at)
            if file.read(len(MARK)) == MARK:
                return True
            at = max(FIRST_BLOCK, 2 * at)
    return False


def call(
    function: str, path: Path | str, *, error: type[InputError] = InputError, **arguments: Any
) -> Any:
    """`module:function(path=path, **arguments)` in a child process; arguments and result are JSON.

    Raises `error` when it takes too long, too much memory, or dies; its own errors as they are.
    """
    path = Path(path)
    seconds = SECONDS + (path.stat().st_size / BYTES_PER_SECOND if path.is_file() else 0)
    try:
        return child.call(
            "delrec_compile.system.limited:run",
            timeout_s=seconds,
            reader=function,
            path=str(path),
            arguments=arguments,
        )
    except CompilerCrash as crash:
        late = "took more than" in str(crash)
        why = (
            f"reading it does not come to its end: it takes more than {seconds:.0f} s"
            if late
            else "the library that reads it died"
        )
        raise error(f"{path}: {why}; the file is damaged: copy or download it again") from crash


def run(reader: str, path: str, arguments: dict[str, Any]) -> Any:
    """In the child: the call, under the limit of memory."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    try:
        return resolve(reader)(path=path, **arguments)
    except MemoryError as error:
        raise InputError(
            f"{path}: reading it takes more than {MEMORY >> 30} GB of memory; the file is damaged, or "
            "holds more samples than fit"
        ) from error
