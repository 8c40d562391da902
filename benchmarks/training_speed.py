"""The speed of this checkout's training beside that of another commit: ratios, not times.

    python -m benchmarks.training_speed [--base COMMIT] [--kind conv] [--spread 10] [--json]

A process of each trains a network of two layers of 256 neurons, in one thread, on batches of 64
samples of 80 steps, in turns: CPU time for a forward pass, a backward pass and an update. A ratio is the
time of the base over the time here: above 1 is faster. Spreads of the delays: 10 steps, 1 step, and 0,
the frozen tail.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.guard import HERE, checkout, interval
from delrec_compile.errors import InputError
from delrec_compile.system.host import machine

SCHEMA = "delrec.training-speed/1"
KINDS: dict[str, dict[str, Any]] = {
    "conv": {"recurrence": "conv", "backflow": 0.3},
    "channel_conv": {"recurrence": "channel_conv", "channels": 16},
    "dense": {"recurrence": "dense"},
    "feed_forward": {"recurrence": "none"},
    "adlif": {"neuron": "adlif", "constants": "learned", "gain": "leak", "reset": "soft"},
}
SPREADS = (10.0, 1.0, 0.0)
BATCH = 64
# prints a line once it is ready, then, for each line it reads, the CPU time of a batch in seconds
WORKER = """
import json, sys, time
import numpy as np, torch
from delrec_compile.data.samples import read_samples
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.losses import loss_and_scores
from delrec_compile.training.model import SpikingNet
from delrec_compile.training.optimisers import Optimisers
try:
    from delrec_compile.training import memory
    memory.keep()
except ImportError:  # of an older commit
    pass
options, spread, size = json.loads(sys.argv[1])
torch.set_num_threads(1)
torch.manual_seed(0)
counts = read_samples("samples").counts
x = torch.from_numpy(counts[np.arange(size) % len(counts)]).float().transpose(0, 1)
config = TrainConfig(**options)
net = SpikingNet(x.shape[2], 20, config)
labels = torch.arange(size) % 20
net.spread_to(spread) if spread else net.freeze_delays()
optimisers = Optimisers(net, config, 1000)
print("ready", flush=True)
for _ in sys.stdin:
    started = time.process_time()
    loss, _ = loss_and_scores(net, x, labels)
    optimisers.step(loss)
    print(time.process_time() - started, flush=True)
"""


@dataclass(frozen=True)
class Trainer:
    """A process that trains a network with the package in `tree`."""

    process: subprocess.Popen[str]
    tree: Path

    def line(self) -> str:
        """The next line that it prints. Raises InputError where it has ended."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise InputError(f"the training in {self.tree} failed; its error stands above")
        return line

    def batch(self) -> float:
        """CPU time of one more batch, in seconds."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.line())


@contextmanager
def trainer(tree: Path, options: dict[str, Any], spread: float) -> Iterator[Trainer]:
    """A trainer, whose process ends with the block. Raises InputError."""
    command = [sys.executable, "-c", WORKER, json.dumps([options, spread, BATCH])]
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=tree, env=environment, text=True, stdin=pipe, stdout=pipe
    ) as process:
        try:
            made = Trainer(process, tree)
            made.line()
            yield made
        finally:
            process.kill()


def compare(base: Path, kind: str, spread: float, rounds: int) -> dict[str, Any]:
    """Milliseconds of CPU time per batch of both, medians, and the median of their ratios."""
    options = KINDS[kind]
    with trainer(base, options, spread) as old, trainer(HERE.parent, options, spread) as new:
        times = []
        for k in range(rounds + 2):
            first, second = (old, new) if k % 2 else (new, old)
            pair = first.batch(), second.batch()
            times.append(pair if k % 2 else pair[::-1])
    times = times[2:]  # the first batches warm the caches
    ratios = [a / b for a, b in times]
    low, high = interval(ratios)
    before, here = (1e3 * statistics.median(each) for each in zip(*times, strict=True))
    median = statistics.median(ratios)
    return {"base_ms": before, "here_ms": here, "median": median, "low": low, "high": high}


def main(argv: list[str] | None = None) -> int:
    options = parsed(argv)
    rows: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="delrec-") as temporary:
        try:
            with checkout(options.base, Path(temporary) / "tree") as tree:
                for name, kind, spread in cases(options.kind or KINDS, options.spread or SPREADS):
                    rows[name] = compare(tree, kind, spread, options.rounds)
                    if not options.json:
                        print(line(name, rows[name]), flush=True)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            return error.exit_code
    if options.json:
        about = {"schema": SCHEMA, "machine": machine(), "base": options.base}
        print(json.dumps({**about, "ratios": rows}, indent=1))
    return 0


def cases(
    kinds: Iterable[str], spreads: Sequence[float] = SPREADS
) -> Iterator[tuple[str, str, float]]:
    """Name, kind and spread of each row: one of a kind without delays."""
    for kind in kinds:
        if KINDS[kind].get("recurrence") == "none":
            yield kind, kind, 0.0
        else:
            yield from ((f"{kind} {spread:g}", kind, spread) for spread in spreads)


def line(name: str, row: dict[str, Any]) -> str:
    """A row as text."""
    times = f"{row['base_ms']:7.1f} ms  {row['here_ms']:7.1f} ms"
    return f"{name:16s} {times}  {row['median']:6.3f}  ({row['low']:.3f} to {row['high']:.3f})"


def parsed(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training_speed", description=__doc__
    )
    parser.add_argument("--base", default="HEAD", help="commit to compare with; default: HEAD")
    parser.add_argument("--kind", action="append", choices=KINDS, help="default: all")
    parser.add_argument("--spread", action="append", type=float, help="steps; 0: frozen")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
