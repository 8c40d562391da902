"""Everything that the guide says, run, with a table of it: `make docs-run`.

Words that paths of pages contain choose some: `python tests/docs/run.py quickstart README`.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

from fixtures.blocks import SHOWN, blocks, documents
from fixtures.reader import Reader, WrongPageError
from fixtures.stage import furnish


def main(words: list[str]) -> int:
    """The number of pages that have a fault."""
    faults, kinds, seconds = 0, Counter[str](), 0.0
    with TemporaryDirectory() as folder:
        stage = furnish(Path(folder, "stage"))
        for i, page in enumerate(documents()):
            chosen = not words or any(word in str(page) for word in words)
            if not chosen or all(b.language in SHOWN for b in blocks(page)):
                continue
            try:
                for done in Reader(page, stage, everything=True).read(Path(folder, str(i))):
                    kinds[done.how] += 1
                    seconds += done.seconds
                    print(f"{done.seconds:7.1f} s  {done.how:18} {done.place:32} {done.what[:80]}")
            except WrongPageError as fault:
                faults += 1
                print(f"fault: {fault}", flush=True)
    print(", ".join(f"{kind} {n}" for kind, n in kinds.most_common()))
    print(f"{seconds:.0f} s of CPU, {faults} pages with a fault")
    return faults


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) > 0)
