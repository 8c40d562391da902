"""Which schedule a build takes: the one that `tune` found for just this, else the profile's own.

Winners come from the user's store, then from `targets/tuned/`, which holds one TOML file per winner
that was exported. A winner counts only for what it was measured on: the target, the CPU, the numeric
mode and the shape of the network; and only against the schedule that the profile still has. The
store also asks for the same version of TVM and the same code that makes kernels. An exported file,
which is read by people and replaced with the profiles, does not.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.compiler.schedules.store import Key, Record, Store
from delrec_compile.errors import InputError, UnsupportedError
from delrec_compile.system import host
from delrec_compile.targets import Target
from delrec_compile.targets.schedule import Schedule

# rooms whose sources decide what code a schedule becomes
CODE = ("ops", "compiler", "network", "targets")
FOLDER = "tuned"
SAME = ("target", "cpu", "numeric", "workload")
TIMED = "us"
# origins of a schedule
PROFILE, STORE, SHIPPED = "profile", "store", "targets/tuned"


@dataclass(frozen=True)
class Chosen:
    """A schedule and where it comes from. ratio: of its cost to that of the profile's `own`."""

    schedule: Schedule
    own: Schedule
    origin: str = PROFILE
    ratio: float = 1.0

    def as_dict(self) -> dict[str, Any]:
        """What a manifest says of it."""
        return {"origin": self.origin, "ratio": self.ratio, "own": vars(self.own)}


def choose(key: Key, own: Schedule, db: Path | str | None) -> Chosen:
    """The winner for the key, or the profile's `own`. db: of the user's store."""
    for origin, winner in _winners(key, db):
        if winner.get("shipped") != vars(own):
            continue
        try:
            schedule, ratio = Schedule(**winner["schedule"]), float(winner["ratio"])
        except (KeyError, TypeError, ValueError, UnsupportedError):
            continue
        return Chosen(own, own) if schedule == own else Chosen(schedule, own, origin, ratio)
    return Chosen(own, own)


def _winners(key: Key, db: Path | str | None) -> Iterator[tuple[str, Record]]:
    found = Store(db).read(key)
    if found.key == key:
        yield from ((STORE, winner) for winner in ranked(found.all("winner")))
    yield from ((SHIPPED, file) for file in exported() if fits(file, key))


def ranked(winners: Iterable[Record]) -> list[Record]:
    """The last first, and before all others what was timed: it says more than counted instructions."""
    newest = list(winners)[::-1]
    return sorted(newest, key=lambda w: w.get("unit") != TIMED)


def fits(file: Mapping[str, Any], key: Key) -> bool:
    """Whether an exported winner is for what the key says."""
    return all(file.get("key", {}).get(name) == getattr(key, name) for name in SAME)


@functools.cache
def exported() -> tuple[dict[str, Any], ...]:
    """The files of `targets/tuned/`."""
    folder = resources.files("delrec_compile.targets") / FOLDER
    if not folder.is_dir():
        return ()
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return tuple(_read(f) for f in files)


def _read(file: Any) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file} is damaged ({error}); delete it or export it again") from error


def key_of(target: Target, llvm: Mapping[str, Any], network: Any) -> Key:
    """llvm: TVM's target, as `codegen.pick` gives it. network: a float or an integer one."""
    return Key(
        importlib.metadata.version("apache-tvm"),
        target.name,
        str(llvm.get("mcpu") or llvm.get("arch") or target.core or host.cpu_name()),
        network.numeric,
        code(),
        workload(network),
    )


@functools.cache
def code() -> str:
    """Digest of the source of everything that makes kernels."""
    return digest(CODE)


def digest(rooms: Iterable[str]) -> str:
    """sha256 of the sources of some rooms, shortened. Raises RuntimeError for a room without any."""
    found: list[bytes] = []
    for room in rooms:
        files = sorted(Path(str(resources.files("delrec_compile") / room)).rglob("*.py"))
        if not files:
            raise RuntimeError(f"room '{room}' has no sources to take a digest of")
        found += [file.read_bytes() for file in files]
    return hashlib.sha256(b"\0".join(found)).hexdigest()[:12]


def workload(network: Any) -> dict[str, Any]:
    """The network without its numbers: kinds of layers, shapes, types, depths of delay lines."""
    from delrec_compile.network.grid import grids

    parts = [_shape(part) for part in (*network.layers, network.readout)]
    # rows can be whole numbers where a part has a grid
    exact = (
        [True] * len(parts)
        if network.numeric.is_integer
        else [grid is not None for grid in grids(network)]
    )
    return {"parts": parts, "exact": exact, "max_input": int(network.max_input)}


def _shape(part: Any) -> dict[str, Any]:
    out: dict[str, Any] = {"is": type(part).__name__}
    for f in fields(part):
        value = getattr(part, f.name)
        if isinstance(value, np.ndarray):
            out[f.name] = f"{value.dtype}{list(value.shape)}"
        elif is_dataclass(value):
            out[f.name] = _shape(value)
    if hasattr(part, "depth"):
        out["depth"] = int(part.depth)
    return out
