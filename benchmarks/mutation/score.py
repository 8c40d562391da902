"""How many mutants the tests of a room notice."""

from __future__ import annotations

import gc
import importlib
import math
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

from benchmarks.mutation.mutants import Mutant, code_of, mutants
from benchmarks.trust.isolated import ACCEPTED, Outcome, isolated

ROOT = Path(__file__).parents[2]
SECONDS = 90  # of CPU time, at least, for the tests of one mutant
WHOLE_SECONDS = 1200
SLOW = "not bundled_networks_in_every_engine"
OPTIONS = ("-x", "-qq", "-p", "no:cacheprovider", "-p", "no:randomly", "-k", SLOW)
WORKER = "PYTEST_XDIST_WORKER"  # what makes runs share what they build
PASSED = "0"
Z = 1.96  # of a normal distribution, for 95 %


@dataclass(frozen=True)
class Room:
    """Sources by their patterns, and the tests that meet a mutant its own module's let pass."""

    name: str
    sources: tuple[str, ...]
    tests: tuple[str, ...]


NETWORK = "tests/network"
ROOMS = (
    Room("ops", ("ops/*.py",), ("tests/ops",)),
    Room(
        "parity",
        (
            "evaluation/parity.py",
            "evaluation/verdict.py",
            "network/tolerances.py",
            "runners/divergence.py",
        ),
        ("tests/evaluation/test_parity.py",),
    ),
    Room(
        "loaders",
        (
            "network/checkpoint.py",
            "network/graph_file.py",
            "network/reading.py",
            "network/tensor_file.py",
            "network/integer/c*file.py",
            "network/onnx_step/file.py",
            "interop/**/*.py",
        ),
        (f"{NETWORK}/test_checkpoint.py", f"{NETWORK}/test_graph_file.py", "tests/interop"),
    ),
)


def modules(room: Room) -> Iterator[str]:
    """The modules of a room, by name; none that is the kernel of an op, which engines test."""
    for pattern in room.sources:
        for path in sorted((ROOT / "delrec_compile").glob(pattern)):
            if path.name != "__init__.py" and not path.stem.endswith("_tir"):
                parts = path.relative_to(ROOT).with_suffix("").parts
                yield ".".join(parts)


def drawn(room: Room, count: int, seed: int) -> list[Mutant]:
    """Mutants of a room, each as likely as every other; fewer where there are fewer."""
    every = [m for name in modules(room) for m in mutants(name, source(name))]
    chosen = random.Random(seed).sample(every, min(count, len(every)))
    return sorted(chosen, key=lambda m: (m.module, m.index))


def source(module: str) -> str:
    return (ROOT / f"{module.replace('.', '/')}.py").read_text()


class Runs:
    """The runs of tests with mutants. folder: of what the tests share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.limits: dict[tuple[str, ...], int] = {}  # seconds of CPU time of tests, by their paths

    def load(self, paths: Sequence[str]) -> None:
        """Imports the tests and what they test, once for all mutants."""
        os.environ[WORKER] = "gw0"
        pytest.main(["--collect-only", *OPTIONS, *paths])

    def limit(self, tests: Sequence[str]) -> int:
        """The time for tests with a mutant, which may take longer than without.

        Raises RuntimeError when one fails without a mutant.
        """
        key = tuple(tests)
        if key not in self.limits:
            done = isolated(_failed, list(tests), self.folder, seconds=WHOLE_SECONDS)
            if not _passed(done):
                raise RuntimeError(f"without a mutant, tests of {tests} fail already: {done}")
            self.limits[key] = max(SECONDS, 3 * int(done.cpu_s))
        return self.limits[key]

    def noticed(self, mutant: Mutant, room: Room) -> bool | None:
        """Whether a test fails with the mutant in it; None where no function has this code."""
        own = own_tests(mutant.module)
        for tests in ([own] if own else [], [str(ROOT / path) for path in room.tests]):
            if tests:
                limit = self.limit(tests)
                done = isolated(_tested, mutant, tests, self.folder, seconds=limit)
                if done.said == "None":
                    return None
                if not _passed(done):
                    return True
        return False


def _failed(tests: list[str], folder: Path) -> int:
    own = folder / str(os.getpid())
    try:
        return int(pytest.main([*OPTIONS, f"--basetemp={own}", *tests]))
    finally:
        shutil.rmtree(own, ignore_errors=True)


def own_tests(module: str) -> str | None:
    """The module that tests this one."""
    *folders, name = module.removeprefix("delrec_compile.").split(".")
    path = ROOT / "tests" / Path(*folders) / f"test_{name}.py"
    return str(path) if path.exists() else None


def _passed(done: Outcome) -> bool:
    return done.kind == ACCEPTED and done.said == PASSED


def _tested(mutant: Mutant, tests: list[str], folder: Path) -> int | None:
    module = importlib.import_module(mutant.module)
    if not _put(mutant, module):
        return None
    return _failed(tests, folder)


def _put(mutant: Mutant, module: ModuleType) -> bool:
    """Gives the mutant's code to its function, wherever that is held."""
    file = module.__file__
    assert file is not None
    code = code_of(mutant, source(mutant.module), file)
    put = False
    for found in gc.get_objects():
        if type(found) is FunctionType:  # isinstance would ask proxies, which warn
            old = found.__code__
            if (old.co_filename, old.co_name, old.co_firstlineno) == (
                file,
                code.co_name,
                code.co_firstlineno,
            ) and old.co_freevars == code.co_freevars:
                found.__code__ = code
                put = True
    return put


def interval(hits: int, count: int) -> tuple[float, float]:
    """Wilson's interval of a share, for 95 %, in percent."""
    if count == 0:
        return 0.0, 100.0
    share, square = hits / count, Z * Z / count
    middle = (share + square / 2) / (1 + square)
    width = Z / (1 + square) * math.sqrt(share * (1 - share) / count + square / (4 * count))
    return round(100 * (middle - width), 1), round(100 * (middle + width), 1)


def measure(
    room: Room, count: int, seed: int, kept: Path, known: Collection[str] = ()
) -> dict[str, Any]:
    """The score of a room on a sample.

    kept: file of the mutants that were noticed, which are not tried again; a run may be cut. known:
    survivors that are not tried at all, by their words.
    """
    chosen = drawn(room, count, seed)
    before = set(kept.read_text().splitlines()) if kept.exists() else set()
    found: dict[Mutant, bool | None] = {m: False for m in chosen if named(str(m)) in known}
    found |= {m: True for m in chosen if _line(m) in before and m not in found}
    left = [mutant for mutant in chosen if mutant not in found]
    own = dict.fromkeys(filter(None, (own_tests(mutant.module) for mutant in left)))
    with tempfile.TemporaryDirectory(prefix="delrec-mutation-") as name, kept.open("a") as file:
        runs = Runs(Path(name))
        runs.load([*own, *(str(ROOT / path) for path in room.tests)])
        for mutant in left:
            found[mutant] = runs.noticed(mutant, room)
            if found[mutant]:
                print(_line(mutant), file=file, flush=True)
            elif found[mutant] is False:
                print(f"survived: {mutant}", file=sys.stderr, flush=True)
    survived = [str(m) for m in chosen if found[m] is False]
    tried = sum(hit is not None for hit in found.values())
    return {"mutants": tried, "killed": tried - len(survived), "survivors": survived}


def _line(mutant: Mutant) -> str:
    """What tells it from others, also from those of the same words."""
    return f"{mutant.index} {mutant}"


def named(text: str) -> str:
    """A mutant's words without the line, which moves."""
    module, _, change = text.split(":", 2)
    return f"{module}:{change}"
