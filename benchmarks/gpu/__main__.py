"""What is claimed of GPUs, done on one in less than eight minutes: built, every bit compared, timed.

    python -m benchmarks.gpu --json gpu.json
    python -m benchmarks.gpu --artifacts built/ --arch sm_90 --build-only    # needs no GPU
    python -m benchmarks.gpu --artifacts built/ --json gpu.json              # needs no TVM

Each bundled network is built for `cuda` in float32 and int8 and compared on all bundled samples; random
networks, chains and graphs, on many streams; then 1, 64 and 1024 streams are timed beside PyTorch, as by
`bench`. Without a GPU a small share runs in the emulator: the result says so, and has no times. What
the budget leaves no time for is named under `skipped`. Exit code 6 where a bit differs, 9 where a part
failed. How to set up a machine that reaches no network: docs/cuda.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from delrec_compile.bundled import DEFAULT, NETWORKS
from delrec_compile.errors import CompilerCrash, DelrecError, ParityError
from delrec_compile.evaluation.latency.bench import ONE_THREAD, bench
from delrec_compile.system import child
from delrec_compile.system.files import write_atomic

SCHEMA = "delrec.gpu/1"
BUDGET_S = 420.0
PROOF_SHARE = 0.4  # of the budget, after which no comparison begins
LEAST_S, MOST_S = 10.0, 120.0  # in which no part is worth its start; that a comparison may take
NUMERICS = ("float32", "int8")
# what is timed beside ours, in a process each: one that compiles for too long costs no other times
TIMED = (
    ("float32", ("ours_host", "torch_eager", "torch_graph")),
    ("int8", ("ours_host", "torch_graph")),
    ("float32", ("torch_graph", "torch_compile")),
)
ROUNDS = 15
MOST_JOBS = 8
CHUNK = 5  # random networks of a part


@dataclass(frozen=True)
class Share:
    """How much is run. samples: of a bundled network; None: all. random: networks of each kind."""

    networks: tuple[str, ...]
    samples: int | None
    random: int
    steps: int
    streams: int


FIRST = (DEFAULT, "dense_delay_256")
WHOLE = Share((*FIRST, *(n for n in NETWORKS if n not in FIRST)), None, 40, 120, 33)
EMULATED = Share((DEFAULT,), 1, 1, 40, 2)


class Run:
    """The parts of a run, and what they found. result: as it is printed."""

    def __init__(self, budget_s: float, about: dict[str, Any], save: Callable[[str], None]) -> None:
        self.start, self.budget_s, self.save = time.monotonic(), budget_s, save
        self.result: dict[str, Any] = {"schema": SCHEMA, **about, "budget_s": budget_s}
        self.result |= {"bundled": [], "random": [], "times": [], "skipped": {}, "failed": {}}
        self.lock = Lock()

    def left(self, share: float = 1.0) -> float:
        """Seconds until that share of the budget is used."""
        return self.start + share * self.budget_s - time.monotonic()

    def part(self, name: str, kind: str, share: float, work: Callable[[float], Any]) -> None:
        """Adds the rows that `work` returns to those of the kind, or why there are none.

        work: takes the seconds that it may last.
        """
        rows: list[Any] = []
        skipped, failed = "", ""
        if self.left(share) < LEAST_S:
            skipped = f"no time left of a budget of {self.budget_s:g} s"
        else:
            try:
                rows = work(self.left())
            except CompilerCrash as error:
                if self.left() <= 0:
                    skipped = f"it was ended when the budget of {self.budget_s:g} s was used up"
                else:
                    failed = str(error)
            except DelrecError as error:
                failed = f"{type(error).__name__}: {error}"
        with self.lock:
            self.result[kind] += rows
            self.result["skipped"] |= {name: skipped} if skipped else {}
            self.result["failed"] |= {name: failed} if failed else {}
            spent = time.monotonic() - self.start
            print(f"{spent:5.0f} s  {name} {failed or skipped}", file=sys.stderr, flush=True)
            self.save(self.text())

    def text(self) -> str:
        """The result as JSON. `passed`: nothing differs, and nothing failed."""
        spent = round(time.monotonic() - self.start, 1)
        told = {**self.result, "seconds": spent, "summary": self.summary(), "passed": not self.code}
        return json.dumps(told, indent=1) + "\n"

    def summary(self) -> dict[str, int]:
        """Values compared and differing, and networks, of all parts."""
        drawn = [row for row in self.result["random"] if "values" in row]
        rows = [*self.result["bundled"], *drawn]
        return {
            "networks": len({row["network"] for row in rows}),
            "values_compared": sum(row.get("values", 0) for row in rows),
            "networks_differing": sum(map(differs, rows)),
            "engines_timed": sum(
                r["skipped"] is None for t in self.result["times"] for r in t["rows"]
            ),
        }

    @property
    def code(self) -> int:
        rows = [*self.result["bundled"], *self.result["random"]]
        wrong = any(text.startswith("ParityError") for text in self.result["failed"].values())
        if wrong or any(map(differs, rows)):
            return ParityError.exit_code
        failed = self.result["failed"] or any("error" in row for row in rows)
        return CompilerCrash.exit_code if failed else 0


def differs(row: dict[str, Any]) -> bool:
    """Whether a network was compared, and a bit of it differed."""
    if "error" in row:
        return str(row["error"]).startswith("ParityError")
    return "values" in row and not (row["differing"] == 0 and row.get("same", row.get("self_test")))


def prove(run: Run, share: Share, place: Path, arch: str | None) -> None:
    """Builds what does not lie in `place`, and compares it; several networks at once."""
    jobs = max(1, min(MOST_JOBS, (os.cpu_count() or 1) // 2))
    with ThreadPoolExecutor(jobs) as pool:
        for done in [pool.submit(*each) for each in _comparisons(run, share, place, arch)]:
            done.result()


def _comparisons(
    run: Run, share: Share, place: Path, arch: str | None
) -> Iterator[tuple[Any, ...]]:
    def call(function: str, as_list: bool, seconds: float, **arguments: Any) -> list[Any]:
        name = f"benchmarks.gpu.work:{function}"
        options: dict[str, Any] = {"environment": ONE_THREAD, "timeout_s": min(seconds, MOST_S)}
        found = child.call(name, **options, place=str(place), **arguments)
        return [found] if as_list else list(found)

    for network in share.networks:
        for numeric in NUMERICS:
            own: dict[str, Any] = {
                "name": network,
                "numeric": numeric,
                "arch": arch,
                "limit": share.samples,
            }
            work = partial(call, "bundled", True, **own)
            yield run.part, f"{network} {numeric}", "bundled", PROOF_SHARE, work
    for first in range(0, share.random, CHUNK):
        seeds = list(range(first, min(first + CHUNK, share.random)))
        for graphs in (False, True):
            drawn: dict[str, Any] = {"seeds": seeds, "graphs": graphs}
            drawn |= {"steps": share.steps, "streams": share.streams}
            name = f"random {'graphs' if graphs else 'chains'} {seeds[0]} to {seeds[-1]}"
            yield run.part, name, "random", PROOF_SHARE, partial(call, "random", False, **drawn)


def measure(run: Run, share: Share, place: Path) -> None:
    """Times the networks, one after the other; each has half of what is left, the last one all."""

    def timed(network: str, numeric: str, rows: tuple[str, ...], seconds: float) -> list[Any]:
        last = (network, numeric, rows) == todo[-1]
        limit = seconds if last else seconds / 2
        result = bench(place / f"{network}-{numeric}", rows=rows, rounds=ROUNDS, limit_s=limit)
        return [{"network": network, "numeric": numeric, **result.as_dict()}]

    todo = [(network, *each) for network in share.networks for each in TIMED]
    for network, numeric, rows in todo:
        name = f"times of {network} {numeric} beside {', '.join(rows)}"
        run.part(name, "times", 1.0, partial(timed, network, numeric, rows))


def main(argv: list[str] | None = None) -> int:
    options = parsed(argv)
    about = child.call("benchmarks.gpu.work:about")
    emulated = about["emulated"] and not options.build_only
    whole = EMULATED if emulated else WHOLE
    share = Share(
        tuple(options.network or whole.networks),
        0 if options.build_only else whole.samples,
        whole.random if options.random is None else options.random,
        0 if options.build_only else whole.steps,
        whole.streams,
    )
    save = partial(_saved, options.json)
    run = Run(options.budget, about, save)
    with tempfile.TemporaryDirectory(prefix="delrec-") as temporary:
        place = options.artifacts or Path(temporary) / "artifacts"
        place.mkdir(parents=True, exist_ok=True)
        arch = options.arch or (about["gpu"]["arch"] if about["gpu"] else None)
        prove(run, share, place, arch)
        if about["emulated"]:
            run.result["skipped"]["times"] = "no GPU here: an emulator's time says nothing"
        else:
            # what PyTorch compiled in one child serves the next
            os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", f"{temporary}/inductor")
            measure(run, share, place)
    save(run.text())
    if options.json is None:
        print(run.text(), end="")
    print(json.dumps(run.summary()), file=sys.stderr)
    return run.code


def _saved(path: Path | None, text: str) -> None:
    """Written after every part, so that a run that is ended leaves what it had."""
    if path is not None:
        write_atomic(path, text.encode())


def parsed(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="in place of standard output")
    parser.add_argument("--budget", type=float, default=BUDGET_S, help="seconds; default: 420")
    parser.add_argument("--network", action="append", help="a bundled one; again for more")
    parser.add_argument("--random", type=int, help="random networks of each kind; default: 40")
    parser.add_argument(
        "--artifacts", type=Path, metavar="FOLDER", help="keeps and takes them there"
    )
    parser.add_argument("--arch", help="of the bundled networks' code; default: the GPU's own")
    parser.add_argument("--build-only", action="store_true", help="fill the folder of --artifacts")
    options = parser.parse_args(argv)
    if options.build_only and options.artifacts is None:
        parser.error("--build-only: add --artifacts FOLDER")
    return options


if __name__ == "__main__":
    sys.exit(main())
