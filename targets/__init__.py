"""Where a network runs: one TOML file per device, found by listing this folder.

    summary, how ("native"), machine, numeric, tools      what it is and what it needs
    [llvm]          TVM's target; mcpu "host" means the CPU found here
    [[schedule]]    choices of `ops.emit.Schedule`, the first whose CPU features are there
"""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from delrec_compile.errors import UnsupportedError, did_you_mean


@dataclass(frozen=True)
class Choice:
    """A schedule and the CPU features it needs; `values` are the fields of Schedule."""

    features: tuple[str, ...]
    mattr: tuple[str, ...]
    values: dict[str, Any]


@dataclass(frozen=True)
class Target:
    """A device profile.

    how: how it runs here. machine: the host it runs on natively. tools: what a build needs.
    """

    name: str
    summary: str
    how: str
    machine: str
    numeric: tuple[str, ...]
    tools: tuple[str, ...]
    llvm: dict[str, Any]
    schedules: tuple[Choice, ...] = field(default=())

    @property
    def runs_here(self) -> bool:
        return self.how == "native" and platform.machine().lower() in {self.machine, "amd64"}


def names() -> tuple[str, ...]:
    return tuple(sorted(path.name.removesuffix(".toml") for path in _files()))


def load(name: str) -> Target:
    """Raises UnsupportedError for an unknown name, or a profile of yours that is damaged."""
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise UnsupportedError(f"{name}: no such target profile")
        return _read(path.stem, path.read_text())
    for path in _files():
        if path.name == f"{name}.toml":
            return _read(name, path.read_text())
    raise UnsupportedError(
        f"unknown target '{name}'{did_you_mean(name, names())}; "
        f"allowed: {', '.join(names())}, or a .toml profile of yours"
    )


def _files() -> Iterator[Any]:
    for path in resources.files(__name__).iterdir():
        if path.name.endswith(".toml"):
            yield path


def _read(name: str, text: str) -> Target:
    try:
        raw = tomllib.loads(text)
        schedules = tuple(
            Choice(
                tuple(s.pop("features", ())),
                tuple(s.pop("mattr", ())),
                s,
            )
            for s in raw.pop("schedule")
        )
        return Target(
            name=name,
            schedules=schedules,
            **{k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()},
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UnsupportedError(f"target profile '{name}' is damaged ({error!r})") from error
