"""Where a network runs: one TOML file per device, found by listing this folder.

May import: system and below.
Start reading at: `x86_64.toml`.
Public: `Target`, `load`, `names`.

A profile holds

- `summary`, `how` ("native", "emulated"), `machine`, `numeric`, `tools`: what it is and what it needs;
- `form`: the artifact, a `library` (the default), C `sources`, or `cuda`;
- `arch`: the GPU's architecture, such as sm_80, for the form `cuda`;
- `cross`: the triple of the ziglang wheel's C compiler, for other machines than this one;
- `core`: the processor in the words of `delrec_compile.system.chips`, where this machine is another;
- `[memory]`: of a chip without an operating system: `chip`, `flash` and `ram` as [address, KB], and
  the `stack` in KB; `clock_mhz` of that chip, and the `board` of QEMU that has the same memory;
- `[flash]`: how a program gets onto that chip: the `tool` (see `artifact.flash`), the tool's
  name of the `device`, and `pack = true` where the tool must fetch what it knows of it;
- `[llvm]`: TVM's target; mcpu "host" means the CPU found here. Without it, TVM writes C;
- `[[schedule]]`: fields of `compiler.tir.schedule.Schedule`; the first whose features the CPU has.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from delrec_compile.errors import UnsupportedError, did_you_mean
from delrec_compile.system.host import is_here


@dataclass(frozen=True)
class Choice:
    """A schedule and the CPU features it needs; `values` are the fields of Schedule."""

    features: tuple[str, ...]
    mattr: tuple[str, ...]
    values: dict[str, Any]


@dataclass(frozen=True)
class Target:
    """A device profile.

    how: how it runs on a machine of another kind. machine: its own, or `any`. tools: what a build
    needs. form: `library`, `sources` or `cuda`. cross: zig's triple, where this machine is another.
    core: what emulates it there. arch: of a GPU. llvm: TVM's target, empty where TVM writes C or
    CUDA text.
    """

    name: str
    summary: str
    how: str
    machine: str
    numeric: tuple[str, ...]
    tools: tuple[str, ...]
    schedules: tuple[Choice, ...]
    llvm: dict[str, Any] = field(default_factory=dict)
    form: str = "library"
    cross: str = ""
    core: str = ""
    clock_mhz: float | None = None
    board: str = ""
    memory: dict[str, Any] = field(default_factory=dict)
    arch: str = ""
    flash: dict[str, Any] = field(default_factory=dict)

    @property
    def runs_here(self) -> bool:
        return is_here(self.machine)

    @property
    def triple(self) -> str:
        """What the C compiler compiles for: empty where this machine is the target."""
        return "" if is_here(self.machine) else self.cross

    @property
    def generator(self) -> str:
        """What writes the kernels: `llvm`, or TVM's C or CUDA text."""
        return "cuda" if self.arch else "llvm" if self.llvm else "c"


def names() -> tuple[str, ...]:
    return tuple(sorted(path.name.removesuffix(".toml") for path in _files()))


def load(name: str) -> Target:
    """Raises UnsupportedError for an unknown name, or a profile of yours that is damaged."""
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise UnsupportedError(
                f"{name}: no such target profile; allowed: {', '.join(names())}, or a file"
            )
        return _read(path.stem, path)
    for path in _files():
        if path.name == f"{name}.toml":
            return _read(name, path)
    raise UnsupportedError(
        f"unknown target '{name}'{did_you_mean(name, names())}; "
        f"allowed: {', '.join(names())}, or a .toml profile of yours"
    )


def _files() -> Iterator[Any]:
    for path in resources.files(__name__).iterdir():
        if path.name.endswith(".toml"):
            yield path


def _read(name: str, path: Any) -> Target:
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        schedules = tuple(
            Choice(tuple(s.pop("features", ())), tuple(s.pop("mattr", ())), s)
            for s in raw.pop("schedule")
        )
        facts: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
        return Target(name=name, schedules=schedules, **facts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = " ".join(str(error).split())
        raise UnsupportedError(
            f"target profile '{name}' is damaged ({type(error).__name__}: {why}); "
            f"compare it with targets/{names()[-1]}.toml"
        ) from error
