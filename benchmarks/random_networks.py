"""Random networks of the whole family in every engine of this machine: not one spike may differ.

    python -m benchmarks.random_networks --count 1000 [--graphs] [--target cortex_m4] [--workers 2]

Each network runs as the NumPy reference, in PyTorch, in ONNX Runtime and as compiled code: x86, or each
--target, in its emulator where it is another machine. With --numeric its integer form is compiled too,
where it has one, against the integer reference. Workers share the networks as in docs/sweep.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import drawn, drawn_graphs
from benchmarks.staged import artifact_here
from delrec_compile.errors import DelrecError, ParityError, UnsupportedError
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.model import Network
from delrec_compile.network.onnx_step.export import export
from delrec_compile.network.onnx_step.schema import read_model
from delrec_compile.runners.onnxruntime import OnnxRunner
from delrec_compile.runners.open import artifact_runner
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.runner import Runner, Trace
from delrec_compile.runners.torch_runner import TorchRunner
from delrec_compile.system import child
from delrec_compile.system.cluster import finished
from delrec_compile.system.jobs import Job, Place, Tell

SCHEMA = "delrec.random_networks/1"
STEPS = 200
CHUNK = 20  # networks per child process
TARGETS = ("x86_64",)


def compare(
    seed: int,
    steps: int = STEPS,
    numeric: str | None = None,
    graphs: bool = False,
    targets: Sequence[str] = TARGETS,
) -> dict[str, Any]:
    """One network: spikes compared and differing, by engine, against PyTorch.

    graphs: whether it is a graph of populations, or a chain of layers.
    """
    network = drawn_graphs.graph(seed) if graphs else drawn.network(seed)
    x = drawn.counts(network, steps, 1, seed)
    reference = TorchRunner(network).trace(x)
    result: dict[str, Any] = {
        "spikes": sum(s.size for s in reference.spikes),
        "differing": {},
        "fired": sum(int(s.sum()) for s in reference.spikes),
    }
    with tempfile.TemporaryDirectory(prefix="delrec-") as folder:
        for name, runner in _engines(network, targets, Path(folder)):
            result["differing"][name] = differing(runner.trace(x), reference)
        if numeric is not None:
            result["differing"] |= _integer(network, numeric, targets, x, Path(folder))
    return result


def compare_many(
    first: int, count: int, steps: int, numeric: str | None, graphs: bool, targets: Sequence[str]
) -> list[dict[str, Any]]:
    """In a child: `compare` of so many seeds."""
    seeds = range(first, first + count)
    return [{"seed": s, **compare(s, steps, numeric, graphs, targets)} for s in seeds]


def compare_part(tell: Tell, **arguments: Any) -> list[dict[str, Any]]:
    """A job: `compare_many` in a process of its own, as a compiler may die."""
    rows: list[dict[str, Any]] = child.call(f"{__spec__.name}:compare_many", **arguments)
    tell(len(rows), f"{len(rows)} networks")
    return rows


def _engines(
    network: Network, targets: Sequence[str], folder: Path
) -> Iterator[tuple[str, Runner]]:
    yield "reference", ReferenceRunner(network)
    yield "onnxruntime", OnnxRunner(read_model(export(network)))
    for target in targets:
        yield target, _compiled(network, target, folder / target)


def _compiled(
    network: Network, target: str, stage: Path, quantised: IntegerNetwork | None = None
) -> Runner:
    return artifact_runner(artifact_here(network, target, stage, quantised))


def _integer(
    network: Network, numeric: str, targets: Sequence[str], x: Any, folder: Path
) -> dict[str, int]:
    try:
        quantised = quantise(network, numeric)
    except UnsupportedError:
        return {}
    reference = ReferenceRunner(quantised).trace(x)
    found = {}
    for target in targets:
        name = f"{target} {numeric}"
        runner = _compiled(network, target, folder / name.replace(" ", "-"), quantised)
        found[name] = differing(runner.trace(x), reference)
    return found


def differing(have: Trace, want: Trace) -> int:
    """Spikes that differ, and outputs whose bits do."""
    spikes = sum(int((p != q).sum()) for p, q in zip(have.spikes, want.spikes, strict=True))
    return spikes + int((have.y.view(np.uint32) != want.y.view(np.uint32)).sum())


def _parts(options: argparse.Namespace) -> list[Job]:
    """A job for each child process."""
    last, parts = options.first + options.count, []
    names = ("steps", "numeric", "graphs")
    fixed = {name: getattr(options, name) for name in names}
    fixed["targets"] = options.target or TARGETS
    for first in range(options.first, last, CHUNK):
        count = min(CHUNK, last - first)
        name = f"seeds {first} to {first + count - 1}"
        parts.append(Job(name, {"first": first, "count": count, **fixed}, count))
    return parts


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.random_networks", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--numeric", choices=("int8", "int16"))
    parser.add_argument("--graphs", action="store_true", help="populations and projections")
    parser.add_argument("--target", action="append", help="x86_64; again for more")
    parser.add_argument("--workers", type=int, default=1, help="processes of this machine")
    parser.add_argument("--cluster", default="", help="a Dask scheduler, tcp://host:port")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Prints JSON; exit code 6 when a spike differs."""
    options = _options(argv)
    os.environ["OMP_NUM_THREADS"] = "1"
    started, rows = time.monotonic(), []
    try:
        place = Place(options.workers, options.cluster)
        for done in finished(f"{__spec__.name}:compare_part", _parts(options), place):
            if done.error:
                raise type(done.error)(f"{done.job.name}: {done.error}")
            rows += done.value
            print(f"{len(rows)} of {options.count} networks", file=sys.stderr)
    except DelrecError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    rows.sort(key=lambda row: int(row["seed"]))
    failed = [row for row in rows if any(row["differing"].values())]
    summary = {
        "schema": SCHEMA,
        "networks": len(rows),
        "steps": options.steps,
        "spikes_compared": sum(r["spikes"] * len(r["differing"]) for r in rows),
        "spikes_fired": sum(r["fired"] for r in rows),
        "engines": sorted({name for row in rows for name in row["differing"]}),
        "failed": failed,
        "seconds": round(time.monotonic() - started, 1),
    }
    print(json.dumps(summary, indent=1))
    if failed:
        seed = failed[0]["seed"]
        kind = " --graphs" if options.graphs else ""
        print(f"again: python -m benchmarks.random_networks{kind} --first {seed} --count 1")
    return ParityError.exit_code if failed else 0


if __name__ == "__main__":
    sys.exit(main())
