"""Flash and RAM of a program beside those of the chips that have its core."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from delrec_compile import targets
from delrec_compile.errors import DelrecError
from delrec_compile.evaluation.page.axes import size
from delrec_compile.evaluation.page.figures import Bar, Bars, Tick
from delrec_compile.targets import Target

COLUMNS = ("chip", "share of its memory", "used of")
TICKS = tuple(Tick(k, f"{k} %") for k in (0, 25, 50, 75, 100))
RAM = "RAM is that of all variables; the stack comes on top."
BOUND = (
    "This artifact is no program for a chip. Its least needs stand here: the weights in flash, the "
    "state of one stream in RAM; code and stack come on top."
)


def chips() -> Iterator[Target]:
    """The profiles with a memory: first the boards, then the chips of the cores."""
    seen = set()
    for name in (*targets.board_names(), *targets.names()):
        profile = targets.load(name)
        if profile.memory is not None and profile.memory not in seen:
            seen.add(profile.memory)
            yield profile


def of_core(core: str | None) -> list[Target]:
    """The chips that have a core."""
    return [t for t in chips() if t.core == core]


def of_programs(programs: Sequence[tuple[str, str | None, int, int]]) -> Bars | None:
    """Programs on every chip that has their core. programs: name, core, bytes of flash, of RAM."""
    rows: list[Bar] = []
    for name, core, flash, ram in programs:
        for chip in of_core(core):
            rows.append(_row(chip, flash, ram, name if len(programs) > 1 else ""))
    if not rows:
        return None
    return Bars("Memory on each chip", COLUMNS, tuple(rows), TICKS, caption=RAM)


def at_least(flash: int, ram: int) -> Bars:
    """The least needs of a network on every chip."""
    rows = [_row(chip, flash, ram, "") for chip in chips()]
    return Bars("Least memory on each chip", COLUMNS, tuple(rows), TICKS, caption=BOUND)


def _row(chip: Target, flash: int, ram: int, program: str) -> Bar:
    """Flash above RAM."""
    assert chip.memory is not None
    room = chip.memory.map
    upper, lower = _part("flash", flash, room.flash.size), _part("RAM", ram, room.ram.size)
    large = [part.label for part in (upper, lower) if part.kind == "over"]
    detail = f"{chip.name}{f', {program}' if program else ''}"
    detail += f"; too large: {' and '.join(large)}" if large else ""
    return replace(upper, label=room.name, detail=detail, second=lower)


def _part(what: str, used: int, whole: int) -> Bar:
    share = used / whole
    shown = "<0.1%" if share < 0.001 else f"{share:.{0 if share >= 0.1 else 1}%}"
    text = f"{what} {size(used)} of {size(whole)}, {shown}"
    kind = "over" if share > 1 else "own"
    return Bar(what, text, min(100.0, round(100 * share, 2)), kind=kind)


def programs_of(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str | None, int, int]]:
    """The programs of a comparison's rows."""
    out: list[tuple[str, str | None, int, int]] = []
    for row in rows:
        if row["flash_bytes"] is None or row["ram_bytes"] is None:
            continue
        try:
            core = targets.load(row["target"]).core
        except DelrecError:  # a profile of the user's own, which is not here
            continue
        out.append(
            (f"{row['target']} {row['numeric']}", core, row["flash_bytes"], row["ram_bytes"])
        )
    return out
