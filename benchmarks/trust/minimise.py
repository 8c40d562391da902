"""The fewest inputs of a folder that reach every line that all of them reach.

    python -m benchmarks.trust.minimise FOLDER [--only READER]

FOLDER is one that `benchmarks.trust.fuzz --corpus FOLDER` filled. The chosen inputs replace those of
the repository.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.trust.fuzz import CORPUS, attempt, file_name
from benchmarks.trust.readers import READERS

Lines = frozenset[tuple[str, int]]
MOST_BYTES = 16_000  # of the inputs of a reader
PACKAGE = "delrec_compile"


def chosen(reached: Mapping[bytes, Lines], most: int = MOST_BYTES) -> list[bytes]:
    """Inputs that together reach what all reach, those first that reach most lines for their bytes."""
    left, taken, size = dict(reached), list[bytes](), 0
    known: set[tuple[str, int]] = set()
    while left:
        best = max(left, key=lambda data: (len(left[data] - known) / (16 + len(data)), data))
        new = left.pop(best) - known
        if new and size + len(best) <= most:
            known |= new
            size += len(best)
            taken.append(best)
        left = {data: lines for data, lines in left.items() if lines - known}
        if size + min(map(len, left), default=0) > most:
            break
    return taken


def lines_of(call: Callable[[bytes], Any], data: bytes) -> Lines:
    """The lines of the package that a call runs; what it raises is its own affair."""
    seen: set[tuple[str, int]] = set()

    def line(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            seen.add((frame.f_code.co_filename, frame.f_lineno))
        return line

    def enter(frame: FrameType, _: str, __: Any) -> Any:
        return line if PACKAGE in frame.f_code.co_filename else None

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        call(data)
    except Exception as error:
        print(f"an input of {len(data)} bytes fails: {error!r}", file=sys.stderr)
    finally:
        sys.settrace(before)
    return frozenset(seen)


def main(argv: list[str] | None = None) -> int:
    """Prints how many inputs of each reader are kept."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.trust.minimise", description=__doc__.splitlines()[0]
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", action="append", choices=READERS, help="a reader; may repeat")
    parser.add_argument(
        "--out", type=Path, default=CORPUS, help="by default that of the repository"
    )
    options = parser.parse_args(argv)
    for name in options.only or READERS:
        inputs = {p.read_bytes() for p in (options.folder / file_name(name)).glob("*")}
        if not inputs or READERS[name].in_child:
            continue
        with tempfile.TemporaryDirectory(prefix="delrec-") as folder:
            one = attempt(READERS[name], READERS[name].make(Path(folder)))
            kept = chosen({data: lines_of(one, data) for data in inputs})
        out = options.out / file_name(name)
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        for data in kept:
            (out / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)
        print(f"{name}: {len(kept)} of {len(inputs)} inputs, {sum(map(len, kept)):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
