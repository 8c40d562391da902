"""The schedule that a build takes: the winner of `tune` for exactly this, else the profile's own.

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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.compiler.schedules.record import Winner
from delrec_compile.compiler.schedules.store import Key, Store
from delrec_compile.errors import InputError
from delrec_compile.network.grid import grids
from delrec_compile.network.integer.model import AnyNetwork, IntegerNetwork
from delrec_compile.system import host
from delrec_compile.system.fields import parse_toml
from delrec_compile.targets import Target
from delrec_compile.targets.schedule import Schedule

# rooms whose sources decide what code a schedule becomes
CODE = ("ops", "compiler", "network", "targets")
FOLDER = "tuned"
SAME = ("target", "cpu", "numeric", "workload")
# origins of a schedule
PROFILE, STORE, SHIPPED = "profile", "store", "targets/tuned"


@dataclass(frozen=True)
class Chosen:
    """A schedule and where it comes from. own: the profile's. ratio: of its cost to that of `own`."""

    schedule: Schedule
    own: Schedule
    origin: str = PROFILE
    ratio: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """The entry of a manifest."""
        return {"origin": self.origin, "ratio": self.ratio, "own": vars(self.own)}


@dataclass(frozen=True)
class Exported:
    """A file of `targets/tuned/`: a winner, and the key that it was measured for."""

    key: Key
    winner: Winner

    def fits(self, key: Key) -> bool:
        """Whether the record is for the target, CPU, numeric mode and network of another key."""
        return all(getattr(self.key, name) == getattr(key, name) for name in SAME)

    def to_toml(self) -> dict[str, Any]:
        """The tables of the file."""
        values = self.winner.to_json()
        plain = {name: values[name] for name in ("ratio", "unit", "how")}
        tables = {name: values[name] for name in ("schedule", "shipped", "costs", "shipped_costs")}
        return {**plain, **tables, "key": asdict(self.key)}

    @classmethod
    def from_toml(cls, table: Mapping[str, Any]) -> Exported:
        """Raises ValueError where it is not one."""
        return cls(Key.from_json(table.get("key", {})), Winner.from_json(table))


def choose(key: Key, own: Schedule, db: Path | str | None) -> Chosen:
    """The winner for the key, or the profile's `own`. db: folder of the user's store."""
    for origin, winner in _winners(key, db):
        if winner.shipped != own:
            continue
        if winner.schedule == own:
            return Chosen(own, own)
        return Chosen(winner.schedule, own, origin, winner.ratio)
    return Chosen(own, own)


def _winners(key: Key, db: Path | str | None) -> Iterator[tuple[str, Winner]]:
    contents = Store(db).read(key)
    if contents.key == key:
        yield from ((STORE, winner) for winner in ranked(contents.winners))
    yield from ((SHIPPED, file.winner) for file in exported() if file.fits(key))


def ranked(winners: Iterable[Winner]) -> list[Winner]:
    """The last one first, and timed ones before all others: time says more than instructions."""
    newest = list(winners)[::-1]
    return sorted(newest, key=lambda winner: not winner.timed)


@functools.cache
def exported() -> tuple[Exported, ...]:
    """The files of `targets/tuned/`."""
    folder = resources.files("delrec_compile.targets") / FOLDER
    if not folder.is_dir():
        return ()
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return tuple(_read(f) for f in files)


def _read(file: Any) -> Exported:
    try:
        return Exported.from_toml(parse_toml(file.read_text(encoding="utf-8")))
    except ValueError as error:
        raise InputError(f"{file} is damaged ({error}); delete it or export it again") from error


def key_of(target: Target, llvm: Mapping[str, Any], network: AnyNetwork) -> Key:
    """The key of a network on a target. llvm: TVM's target, as `cpu.pick` returns it."""
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
    sources: list[bytes] = []
    for room in rooms:
        files = sorted(Path(str(resources.files("delrec_compile") / room)).rglob("*.py"))
        if not files:
            raise RuntimeError(f"room '{room}' has no sources to take a digest of")
        sources += [file.read_bytes() for file in files]
    return hashlib.sha256(b"\0".join(sources)).hexdigest()[:12]


def workload(network: AnyNetwork) -> dict[str, Any]:
    """The network without its numbers: populations, projections, shapes, types, depths of delays."""
    # rows can be whole numbers where a part has a grid
    parts = [_shape(p) for p in network.populations]
    if isinstance(network, IntegerNetwork):
        exact = [True] * len(parts)
    else:
        exact = [grid is not None for grid in grids(network)]
    real = {} if network.input_bits is None else {"input_bits": network.input_bits}
    return {"parts": parts, "exact": exact, "max_input": int(network.max_input), **real}


def _shape(part: Any) -> dict[str, Any]:
    out: dict[str, Any] = {"is": type(part).__name__}
    for f in fields(part):
        value = getattr(part, f.name)
        if isinstance(value, np.ndarray):
            out[f.name] = f"{value.dtype}{list(value.shape)}"
        elif is_dataclass(value):
            out[f.name] = _shape(value)
        elif isinstance(value, tuple) and value and is_dataclass(value[0]):
            out[f.name] = [_shape(each) for each in value]
        elif f.name == "source":
            out[f.name] = value
    if hasattr(part, "depth"):
        out["depth"] = int(part.depth)
    return out
