"""Row sums step by step beside those tile by tile: what blocking over steps would save in a large layer.

    python -m benchmarks.tiles [--rounds 15] [--json]

Weights of a large layer come from the third cache, step after step. A tile of them that stays in the
second one for all steps of a sequence could be read from there. Both ways are written with AVX-512
intrinsics (tiles.c), for the rows of a layer of N neurons into N outputs of which 5 % spike, each on its
own, and timed in turns with a library built for such a network (140 inputs, two layers of N), whose
steps make these sums too.

A tile's rows lie side by side in memory. Printed are microseconds per step: of the sums alone, and of
the library's step as a whole. Sums that are made for all steps at once have to be stored and read again,
which is left out: a library would save less than a tile does.

Exit code 4 where the processor has no VNNI, 5 without a compiler for it, 6 where a sum is wrong.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.guard import HERE, STEPS, Library, build, timer
from benchmarks.hand_written import load_timed, told
from benchmarks.networks import Size, poisson_samples, random_network
from delrec_compile.errors import ParityError
from delrec_compile.network.checkpoint import save
from delrec_compile.runners.memory import aligned, pointer

SCHEMA = "delrec.tiles/1"
SIZES = (256, 1024, 2048, 4096)
RATE = 0.05
TILES = (64, 128, 256)
STEP_BY_STEP = "step by step"
SAMPLES = 16
PASSES = 4


class Rows:
    """The sums of one layer of n neurons, with random weights and spikes."""

    def __init__(self, add: Any, n: int) -> None:
        r = np.random.default_rng(0)
        self.add, self.n, self.active = add, n, round(n * RATE)
        self.weight = r.integers(-(1 << 15), 1 << 15, (n, n)).astype(np.int16)
        spikes = [np.sort(r.permutation(n)[: self.active]) for _ in range(STEPS)]
        self.events = np.ascontiguousarray(spikes, np.uint16)
        self.sums = aligned(STEPS * n, np.int32).reshape(STEPS, n)
        self.tables = {tile: self._table(tile) for tile in (n, *TILES)}

    def _table(self, tile: int) -> Any:
        """The rows of each tile side by side, at an address that a vector may be loaded from."""
        out = aligned(self.n * self.n // 2, np.int32).view(np.int16)
        out[:] = self.weight.reshape(self.n, -1, tile).swapaxes(0, 1).reshape(-1)
        return out

    def time(self, tile: int | None) -> float:
        """Microseconds per step, of the last pass. tile: None, step by step. Raises ParityError."""
        own = self.tables[self.n if tile is None else tile]
        how = (TILES[-1] if tile is None else tile, int(tile is not None))
        counts = pointer(self.events), self.active, STEPS
        passed = (*how, pointer(own), self.n, self.n, *counts, pointer(self.sums))
        self.sums.fill(0)
        for _ in range(PASSES):  # what another way left in the caches does not count
            ns = self.add(*passed)
        for step in range(STEPS):
            self._check(step)
        return float(ns) / STEPS / 1e3

    def _check(self, step: int) -> None:
        """Raises ParityError where the sums of a step are wrong."""
        words, upper = self.sums[step].reshape(-1, 2, 16).swapaxes(0, 1)
        rows = self.weight[self.events[step]]
        wanted = rows.view(np.int32).sum(0, dtype=np.int32), rows[:, 1::2].sum(0, dtype=np.int32)
        for ours, theirs in zip((words, upper), wanted, strict=True):
            if not np.array_equal(ours.reshape(-1), theirs):
                raise ParityError("a sum of rows is wrong")


def of_size(folder: Path, add: Any, n: int, rounds: int) -> dict[str, float]:
    """Medians in us per step, by way."""
    network = random_network(Size(neurons=n, rate=RATE))
    file = save(network, folder / f"{n}.npz")
    whole = Library(build(HERE.parent, str(file), folder / str(n), "float32", ""), timer(folder))
    x = np.ascontiguousarray(poisson_samples(SAMPLES, STEPS, network.inputs).counts, np.float32)
    rows = Rows(add, n)
    times: dict[str, list[float]] = {}
    for k in range(rounds + 1):  # a first turn warms the caches
        turn = {STEP_BY_STEP: rows.time(None)}
        turn |= {f"tiles of {tile}": rows.time(tile) for tile in TILES}
        turn |= {"the library's step": whole.time("sequence", x)[0]}
        for name, us in turn.items() if k else ():
            times.setdefault(name, []).append(us)
    return {name: statistics.median(own) for name, own in times.items()}


def measure(rounds: int) -> dict[str, Any]:
    """Raises DelrecError."""
    with tempfile.TemporaryDirectory(prefix="delrec-") as temporary:
        add = load_timed("tiles", Path(temporary))
        return {"us": {str(n): of_size(Path(temporary), add, n, rounds) for n in SIZES}}


def table(found: dict[str, Any]) -> str:
    """The times as text."""
    names = list(next(iter(found["us"].values())))
    lines = [f"{'N':>6s}" + "".join(f"{name:>20s}" for name in names)]
    for n, row in found["us"].items():
        lines.append(f"{n:>6s}" + "".join(f"{row[name]:20.2f}" for name in names))
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    return told(measure, table, SCHEMA, "tiles", 15, argv)


if __name__ == "__main__":
    sys.exit(main())
