"""Device profiles: one TOML file per core in this folder, per board in `board/`, per operating system
beside Linux in `platform/`, found by listing.

May import: system and below.
Start reading at: `x86_64.toml`.
Public: `Target`, `load`, `names`, `board_names`, `platform_names`, `added_names`.

A profile holds

- `over`: in the profile of a board or a platform, the profile of its core, which says what this
  one does not; what describes the core's own chip (`OWN`) is not taken over;
- `summary`, `how` ("native", "emulated"), `machine`, `numeric`, `tools`: its kind and its needs;
- `form`: the artifact, a `library` (the default), C `sources`, or `cuda`;
- `features`: what LLVM must say that a CPU has, whichever `--cpu` names;
- `arch`: the GPU's architecture, such as sm_80, for the form `cuda`;
- `like`: where nothing here compiles it, the profile whose size and speed are taken for an estimate;
- `cross`: the triple of the ziglang wheel's C compiler, for other machines than this one;
- `core`: the processor, a key of `delrec_compile.system.chips.CORES`, where this machine is another;
- `[memory]`: of a chip without an operating system: `chip`, `flash` and `ram` as [address, KB], and
  the `stack` in KB; `clock_mhz` of that chip, and the `board` of QEMU that has the same memory;
- `[flash]`: how a program gets onto that chip: the `tool` (see `artifact.flash`), the tool's
  name of the `device`, and `pack = true` where the tool must fetch its description first;
- `[llvm]`: TVM's target; mcpu "host" means the CPU found here. Without it, TVM writes C;
- `[[schedule]]`: fields of `targets.schedule.Schedule`; the first whose features the CPU has.

The fields are those of `profile.Target`: an unknown key, or a value that no device can have, is
refused when the profile loads.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from delrec_compile.errors import InputError, UnsupportedError, did_you_mean
from delrec_compile.system import plugins
from delrec_compile.system.fields import parse_toml
from delrec_compile.targets import boards
from delrec_compile.targets.profile import Choice, Flashing, Memory, Target
from delrec_compile.targets.schedule import Schedule

__all__ = [
    "Choice",
    "Flashing",
    "Memory",
    "Schedule",
    "Target",
    "added_names",
    "board_names",
    "load",
    "names",
    "platform_names",
]

# keys of a profile that describe one chip, not its core
OWN = ("memory", "flash", "board", "clock_mhz")


def names() -> tuple[str, ...]:
    """The profiles of cores."""
    return tuple(sorted(path.name.removesuffix(".toml") for path in _files()))


def board_names() -> tuple[str, ...]:
    """The profiles of boards, each over that of a core."""
    return tuple(sorted(path.name.removesuffix(".toml") for path in _files("board")))


def platform_names() -> tuple[str, ...]:
    """The profiles of libraries for other operating systems than Linux, each over that of a core."""
    return tuple(sorted(path.name.removesuffix(".toml") for path in _files("platform")))


def load(name: str) -> Target:
    """The profile of a target, by its name or that of its own chip, or of a .toml file.

    Raises UnsupportedError for an unknown name, and for a key or a value that no profile may have.
    """
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise InputError(
                f"{name}: no such target profile; allowed: {', '.join(names())}, or a file"
            )
        return _read(path.stem, path)
    files = {path.name.removesuffix(".toml"): path for path in _files()}
    if name in files:
        return _read(name, files[name])
    others = (*_files("board"), *_files("platform"))
    over = {path.name.removesuffix(".toml"): path for path in others}
    if (word := boards.plain(name)) in over:
        return _read(word, over[word])
    if (point := plugins.found(plugins.TARGETS).get(name)) is not None:
        return _read(name, _added(point))
    every = {known: _read(known, path) for known, path in {**over, **files}.items()}
    chips = {known: t.memory.chip if t.memory else "" for known, t in every.items()}
    exact = boards.alias(name, {chip or known: known for known, chip in chips.items()})
    if exact is not None:
        return every[exact]
    hint = boards.meant(name, chips)
    every_name = (*names(), *board_names(), *platform_names(), *added_names())
    hint = f"; {hint}" if hint else did_you_mean(name, every_name)
    raise UnsupportedError(
        f"unknown target '{name}'{hint}; allowed: {', '.join(every_name)}, or your own .toml profile"
    )


def added_names() -> tuple[str, ...]:
    """The profiles of other installed packages; one that has the name of a profile here is not used."""
    own = {*names(), *board_names(), *platform_names()}
    return tuple(name for name in plugins.found(plugins.TARGETS) if name not in own)


def _added(point: EntryPoint) -> Any:
    """The profile of another package. Raises UnsupportedError where it holds none."""
    package = plugins.load(point)
    path = plugins.guarded(point, resources.files, package).joinpath(f"{point.name}.toml")
    if not path.is_file():
        raise UnsupportedError(
            f"package {plugins.origin(point)} has no {path.name} in {point.value}"
        )
    return path


def _files(folder: str = "") -> Iterator[Any]:
    for path in resources.files(__name__).joinpath(folder).iterdir():
        if path.name.endswith(".toml"):
            yield path


def _read(name: str, path: Any) -> Target:
    where = f"target profile '{name}' ({path.name})"
    table = _table(path, where)
    if "over" in table:
        table = _over(table.pop("over"), where) | table
    return Target.from_table(name, table, where)


def _over(core: Any, where: str) -> dict[str, Any]:
    """What a profile takes over from that of its core."""
    files = {path.name.removesuffix(".toml"): path for path in _files()}
    if core not in files:
        hint = did_you_mean(str(core), names())
        raise UnsupportedError(f"{where}: over = {core!r}{hint}; allowed: {', '.join(names())}")
    table = _table(files[core], f"target profile '{core}'")
    return {key: value for key, value in table.items() if key not in OWN}


def _table(path: Any, where: str) -> dict[str, Any]:
    try:
        return parse_toml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split())
        raise UnsupportedError(
            f"{where} is damaged ({type(error).__name__}: {why}); "
            f"compare it with targets/{names()[-1]}.toml"
        ) from error
