"""Limits for CI: how slow and how big a target may be, and by how much it is over."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from delrec_compile.errors import UsageError

if TYPE_CHECKING:
    from delrec_compile.targets import Target

KB = 1024


@dataclass(frozen=True)
class Limit:
    """A kind of budget.

    figures: keys of a row of `compare`; the first that has a value is judged. can: whether a target
    can have one at all. unit: formats a value with its unit. what: the thing measured.
    """

    option: str
    figures: tuple[str, ...]
    can: Callable[[Target], bool]
    unit: Callable[[float], str]
    what: str

    def text(self, value: float) -> str:
        return f"{self.unit(value)} {self.what}"

    def figure(self, row: Mapping[str, Any]) -> tuple[str, float] | None:
        """The judged key and its value; None where the row has none."""
        values = [(key, float(row[key])) for key in self.figures if row.get(key) is not None]
        return values[0] if values else None


@dataclass(frozen=True)
class Miss:
    """A limit that a row is over. text: one line with target, value, limit and excess."""

    target: str
    numeric: str
    option: str
    value: float
    limit: float
    text: str


def size(value: float) -> str:
    """Bytes as text; exact below 10 KB."""
    return f"{value:,.0f} bytes" if value < 10 * KB else f"{value / KB:,.1f} KB"


# one line per budget: the fields of `Budgets`
LIMITS = {
    "max_us": Limit(
        "--max-us",
        ("us_per_step", "estimated_us"),
        lambda t: t.runs_here or t.clock_mhz is not None,
        lambda v: f"{v:,.{0 if v >= 1000 else 2}f} us",
        "per step",
    ),
    "max_instructions": Limit(
        "--max-instructions",
        ("instructions_per_step",),
        lambda t: bool(t.core) and not t.runs_here,
        lambda v: f"{v:,.0f} instructions",
        "per step",
    ),
    "max_flash": Limit(
        "--max-flash",
        ("flash_bytes",),
        lambda t: t.form == "sources" and bool(t.core),
        size,
        "of flash",
    ),
    "max_ram": Limit("--max-ram", ("ram_bytes",), lambda t: bool(t.memory), size, "of RAM"),
}


@dataclass(frozen=True)
class Budgets:
    """The most that a row may take; None is no limit.

    max_us, max_instructions: of the mean step; the microseconds of an emulated target are its
    estimate. max_flash, max_ram: bytes. Raises UsageError for a limit that is not more than 0.
    """

    max_us: float | None = None
    max_instructions: float | None = None
    max_flash: float | None = None
    max_ram: float | None = None

    def __post_init__(self) -> None:
        for limit, value in self.set_limits():
            if not value > 0:
                raise UsageError(f"{limit.option} {value:g}: a budget must be more than 0")

    @classmethod
    def parse(
        cls,
        max_us: float | None = None,
        max_instructions: float | None = None,
        max_flash: str | None = None,
        max_ram: str | None = None,
    ) -> Budgets:
        """Budgets whose sizes are text, see `parse_size`. Raises UsageError."""
        flash, ram = (
            None if text is None else parse_size(text, LIMITS[name].option)
            for name, text in (("max_flash", max_flash), ("max_ram", max_ram))
        )
        return cls(max_us, max_instructions, flash, ram)

    def set_limits(self) -> list[tuple[Limit, float]]:
        """The limits that are set, with their values."""
        values = {field: getattr(self, field) for field in LIMITS}
        return [(LIMITS[f], v) for f, v in values.items() if v is not None]

    def misses(self, row: Mapping[str, Any]) -> list[Miss]:
        """The limits that a row of `compare` is over."""
        out = []
        for limit, maximum in self.set_limits():
            figure = limit.figure(row)
            if figure is not None and figure[1] > maximum:
                out.append(_miss(row, limit, figure, maximum))
        return out


def _miss(row: Mapping[str, Any], limit: Limit, figure: tuple[str, float], maximum: float) -> Miss:
    key, value = figure
    about = "~" if key.startswith("estimated") else ""
    allowed, over = (limit.unit(v) for v in (maximum, value - maximum))
    text = (
        f"{row['target']} {row['numeric']}: {about}{limit.text(value)}, over {limit.option} {allowed} "
        f"by {over} ({value / maximum - 1:.1%})"
    )
    return Miss(row["target"], row["numeric"], limit.option, value, maximum, text)


def parse_size(text: str, option: str = "size") -> int:
    """Bytes of `115k`, `128K`, `4.3KB`, `1M` or `4300`: K is 1,024, as of a chip's memory."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([km]?)(?:i?b)?\s*", text, flags=re.I)
    if match is None:
        raise UsageError(
            f"{option} {text}: not a size; allowed: bytes, or like 115k, 128K, 4.3KB, 1M (K is 1024)"
        )
    number, unit = match.groups()
    return int(float(number) * {"": 1, "k": KB, "m": KB * KB}[unit.lower()])
