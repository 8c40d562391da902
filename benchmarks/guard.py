"""The speed of this checkout's libraries beside those of another commit: ratios, not times.

    python -m benchmarks.guard [--base COMMIT] [--numeric int8] [--cpu x86-64-v3] [--json]
    python -m benchmarks.guard --rate 0.6 --rate 0.95 [--neurons 2048]

Both build the network for x86_64 with the schedules that ship; their calls are timed in turns in one
thread, all samples in each turn. A ratio is the time of the base over the time here: above 1 is faster.
With `--rate` the networks are random ones, whose biases make that share of the neurons spike in a step.
Exit code 6 when float32 outputs differ.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.networks import Size, poisson_samples, random_network
from delrec_compile.aliases import F32
from delrec_compile.data.samples import read_samples
from delrec_compile.errors import InputError, ParityError
from delrec_compile.network.checkpoint import save
from delrec_compile.runners.library import load_library
from delrec_compile.runners.memory import pointer
from delrec_compile.system import toolchain
from delrec_compile.system.host import machine

HERE = Path(__file__).parent
SCHEMA = "delrec.guard/1"
FORMS = ("step", "sequence", "batch")
NUMERICS = ("float32", "int8")
STREAMS = 256
SAMPLES, STEPS = 50, 80  # of random networks
BUILD = (
    "import sys, delrec_compile as d; network, out, numeric, cpu = sys.argv[1:]; "
    "d.build(d.load(network), 'x86_64', out, numeric=numeric, cpu=cpu or None, tuned=False)"
)


@contextmanager
def checkout(commit: str, folder: Path, repository: Path = HERE.parent) -> Iterator[Path]:
    """The tree of a commit in `folder`. Raises InputError."""

    def git(*words: str) -> None:
        done = subprocess.run(["git", "-C", repository, *words], capture_output=True, text=True)
        if done.returncode:
            raise InputError(f"git {words[0]} {words[1]}: {done.stderr.strip().splitlines()[-1]}")

    git("worktree", "add", "--detach", str(folder), commit)
    try:
        yield folder
    finally:
        git("worktree", "remove", "--force", str(folder))


@dataclass(frozen=True)
class Built:
    """A library. name: prefix of its symbols. outputs: values of y of a step."""

    library: Path
    name: str
    outputs: int


def build(tree: Path, network: str, out: Path, numeric: str, cpu: str) -> Built:
    """The library of a network as the package in `tree` builds it. Raises InputError."""
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(
        [sys.executable, "-c", BUILD, network, str(out), numeric, cpu],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise InputError(f"the build in {tree} failed: {done.stderr.strip().splitlines()[-1]}")
    return built(out)


def built(folder: Path) -> Built:
    """The library of an artifact, whose manifest may be of another version."""
    facts = json.loads((folder / "manifest.json").read_text())
    return Built(folder / facts["library"], facts["name"], facts["outputs"])


class Library:
    """The calls of a built library, which needs no `run_batch` but for batches.

    x: (samples, steps, inputs).
    """

    def __init__(self, own: Built, timer: Any) -> None:
        library = load_library(own.library)
        self.timer, self.outputs = timer, own.outputs
        self.run = getattr(library, f"{own.name}_run")
        self.run_batch = getattr(library, f"{own.name}_run_batch", None)
        self.reset = getattr(library, f"{own.name}_reset")
        self.bytes = int(getattr(library, f"{own.name}_state_bytes")())

    def time(self, form: str, x: F32) -> tuple[float, F32]:
        """Microseconds per step of a stream, and the outputs."""
        samples, steps, inputs = x.shape
        y = np.zeros((samples, steps, self.outputs), np.float32)
        room = np.zeros(self.bytes * samples + 64, np.uint8)
        states = ctypes.c_void_p(-(-room.ctypes.data // 64) * 64)
        if form == "batch":
            batch = (self.run_batch, self.reset, states, self.bytes)
            ns = self.timer.guard_batch(*batch, pointer(x), samples, steps, pointer(y))
        else:
            by = 1 if form == "step" else steps
            numbers = (samples, steps, by, inputs, self.outputs)
            run = (self.run, self.reset, states)
            ns = self.timer.guard_run(*run, pointer(x), *numbers, pointer(y))
        return ns / samples / steps / 1e3, y


@dataclass(frozen=True)
class Ratio:
    """Of the rounds' ratios the median and the ends of its interval; `least`: of the least times."""

    base_us: float
    here_us: float
    median: float
    low: float
    high: float
    least: float
    same: bool


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The ends of the 95 % confidence interval of the median, by the order of the values."""
    n, ordered = len(values), sorted(values)
    outside, k = 2.0**-n, 0
    while k < (n - 1) // 2 and outside <= 0.025:
        k += 1
        outside += math.comb(n, k) * 2.0**-n
    k = max(0, k - 1)
    return ordered[k], ordered[n - 1 - k]


def compare(base: Library, here: Library, form: str, x: F32, rounds: int) -> Ratio:
    """Both in turns; a first turn, which warms the caches, is not counted."""
    times: list[tuple[float, float]] = []
    for k in range(rounds + 1):
        pair = [each.time(form, x) for each in ((base, here) if k % 2 else (here, base))]
        (old, y_old), (new, y_new) = pair if k % 2 else pair[::-1]
        same = y_old.tobytes() == y_new.tobytes()
        if k:
            times.append((old, new))
    old_us, new_us = zip(*times, strict=True)
    ratios = [old / new for old, new in times]
    medians = statistics.median(old_us), statistics.median(new_us), statistics.median(ratios)
    return Ratio(*medians, *interval(ratios), min(old_us) / min(new_us), same)


def timer(folder: Path) -> Any:
    """The functions of guard.c."""
    library = folder / "guard.so"
    toolchain.run_cc("-O2", "-fPIC", "-shared", HERE / "guard.c", "-o", library)
    loaded = load_library(library)
    loaded.guard_run.restype = loaded.guard_batch.restype = ctypes.c_int64
    return loaded


@dataclass(frozen=True)
class Workload:
    """A network, bundled or in a file, with its inputs x: (samples, steps, inputs)."""

    name: str
    network: str
    x: F32


def workloads(options: argparse.Namespace, folder: Path) -> list[Workload]:
    """The bundled network, or a random one for each rate, with files in `folder`."""
    if not options.rate:
        counts = read_samples("samples").counts
        return [Workload("", options.network, np.ascontiguousarray(counts, np.float32))]
    out = []
    for rate in options.rate:
        network = random_network(Size(neurons=options.neurons, rate=rate))
        file = save(network, folder / f"rate_{round(rate * 1000)}.npz")
        counts = poisson_samples(SAMPLES, STEPS, network.inputs).counts
        out.append(Workload(f"{rate:.0%} ", str(file), np.ascontiguousarray(counts, np.float32)))
    return out


def measure(
    base: Built, here: Built, forms: Sequence[str], rounds: int, clock: Any, samples: F32
) -> dict[str, Any]:
    """The ratios of two libraries, by form."""
    libraries = Library(base, clock), Library(here, clock)
    streams = np.ascontiguousarray(samples[np.arange(STREAMS) % len(samples)])
    return {
        form: vars(compare(*libraries, form, streams if form == "batch" else samples, rounds))
        for form in forms
    }


def ratios(tree: Path, options: argparse.Namespace, folder: Path) -> dict[str, dict[str, Any]]:
    """The ratios of every workload, by the type of numbers; by its name and form. tree: of the base."""
    rows: dict[str, dict[str, Any]] = {}
    clock, works = timer(folder), workloads(options, folder)
    for numeric in options.numeric or NUMERICS:
        rows[numeric] = {}
        for k, work in enumerate(works):
            what = (numeric, options.cpu)
            base = build(tree, work.network, folder / f"base-{numeric}-{k}", *what)
            here = build(HERE.parent, work.network, folder / f"here-{numeric}-{k}", *what)
            own = measure(base, here, options.form or FORMS, options.rounds, clock, work.x)
            rows[numeric] |= {work.name + form: row for form, row in own.items()}
    return rows


def main(argv: list[str] | None = None) -> int:
    options = parsed(argv)
    with tempfile.TemporaryDirectory(prefix="delrec-") as temporary:
        folder = Path(temporary)
        try:
            with checkout(options.base, folder / "tree") as tree:
                rows = ratios(tree, options, folder)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            return error.exit_code
    if options.json:
        network = {"rates": options.rate, "neurons": options.neurons}
        about = {"base": options.base, "cpu": options.cpu}
        about |= network if options.rate else {"network": options.network}
        print(
            json.dumps({"schema": SCHEMA, "machine": machine(), **about, "ratios": rows}, indent=1)
        )
    else:
        print(table(rows))
    differs = not all(row["same"] for row in rows.get("float32", {}).values())
    return ParityError.exit_code if differs else 0


def table(rows: dict[str, dict[str, Any]]) -> str:
    """The ratios as text."""
    lines = ["                         base us    here us    ratio  (95 %)            least"]
    for numeric, forms in rows.items():
        for form, r in forms.items():
            marks = "" if r["same"] else "  outputs differ"
            times = f"{r['base_us']:9.3f}  {r['here_us']:9.3f}  {r['median']:6.3f}"
            ends = f"({r['low']:.3f} to {r['high']:.3f})"
            lines.append(f"{numeric:8s} {form:14s} {times}  {ends}  {r['least']:6.3f}{marks}")
    return "\n".join(lines)


def parsed(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description=__doc__)
    parser.add_argument("--base", default="HEAD", help="commit to compare with; default: HEAD")
    parser.add_argument("--network", default="conv_delay_256", help="a bundled network")
    parser.add_argument("--rate", action="append", type=float, help="of random networks")
    parser.add_argument("--neurons", type=int, default=256, help="of their two hidden layers each")
    parser.add_argument("--numeric", action="append", choices=NUMERICS, help="default: both")
    parser.add_argument("--form", action="append", choices=FORMS, help="default: all")
    parser.add_argument("--cpu", default="", help="LLVM's name; default: this machine's")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
