"""The parts of a page as data: numbers become positions here and in the figures' modules, and text and
marks in the templates.

Positions of ticks and marks are percent of a plot, from the left and from the top. The drawing of a
plot is in units of its own: the template stretches it, so that text never shrinks with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Tick:
    """A label of an axis. at: percent."""

    at: float
    text: str


@dataclass(frozen=True)
class Path:
    """Lines of an SVG path. kind: its style, a class of the style sheet."""

    kind: str
    d: str


@dataclass(frozen=True)
class Note:
    """A mark in a plot with a text beside it. x, y: percent."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Plot:
    """A drawing with axes.

    width, height: units of the paths. pixels: its height on the page. aside: text at the right of the
    title. label: what a screen reader says. image: a data URI, in place of paths or below them. shared:
    whether its horizontal axis is time in steps, as that of its neighbours is.
    """

    title: str
    label: str
    width: float
    height: float
    pixels: int
    paths: tuple[Path, ...] = ()
    x: tuple[Tick, ...] = ()
    y: tuple[Tick, ...] = ()
    x_title: str = ""
    y_title: str = ""
    aside: str = ""
    image: str = ""
    notes: tuple[Note, ...] = ()
    shared: bool = False


@dataclass(frozen=True)
class Table:
    """Cells of text. right: whether all columns but the first hold numbers. kinds: style of each row.

    folded: whether it opens on demand, as the words of a figure.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: bool = True
    kinds: Sequence[str] = ()
    folded: bool = False
    template: ClassVar[str] = "table"

    @property
    def styled(self) -> list[tuple[str, Sequence[str]]]:
        """Each row with its style."""
        kinds = self.kinds or [""] * len(self.rows)
        return list(zip(kinds, self.rows, strict=True))


@dataclass(frozen=True)
class Plots:
    """Plots in a column, or side by side where the page is wide. steps: of their shared axis of time."""

    plots: tuple[Plot, ...]
    caption: str = ""
    wide: bool = True
    steps: int = 0
    spoken: tuple[str, ...] = ()  # a line for each step
    template: ClassVar[str] = "plots"


@dataclass(frozen=True)
class Bar:
    """A row of `Bars`. at: percent of the mark. low, high: ends of its spread, or None. kind: its style.

    second: another length in the same row.
    """

    label: str
    value: str
    at: float | None
    low: float | None = None
    high: float | None = None
    kind: str = ""
    detail: str = ""
    second: Bar | None = None


@dataclass(frozen=True)
class Bars:
    """A table whose second column is drawn. line: percent of a limit that is drawn across, or None.

    dots: whether a value is a place on the axis (as on one of logarithms), not a length from its start.
    """

    title: str
    columns: tuple[str, str, str]
    rows: tuple[Bar, ...]
    ticks: tuple[Tick, ...] = ()
    axis: str = ""
    line: Tick | None = None
    dots: bool = False
    caption: str = ""
    template: ClassVar[str] = "bars"


@dataclass(frozen=True)
class Fact:
    """A figure of the head of a page. kind: good, bad, or nothing."""

    name: str
    value: str
    detail: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Lines:
    """Sentences. kind: style of each."""

    lines: tuple[str, ...]
    kind: str = ""
    template: ClassVar[str] = "lines"


@dataclass(frozen=True)
class Command:
    """A line for a shell."""

    line: str
    caption: str = ""
    template: ClassVar[str] = "command"


@dataclass(frozen=True)
class Stage:
    """A file of the pipeline, or what becomes of one."""

    title: str
    detail: str
    size: str = ""


@dataclass(frozen=True)
class Stages:
    """The way from a network to its code."""

    stages: tuple[Stage, ...]
    template: ClassVar[str] = "stages"


@dataclass(frozen=True)
class Section:
    """A part of the page under a title. name: its anchor."""

    name: str
    title: str
    parts: tuple[Any, ...]
    lead: str = ""


@dataclass(frozen=True)
class Score:
    """A result on samples. kind: such as accuracy. data: what it was measured on."""

    kind: str
    value: float
    data: str


@dataclass(frozen=True)
class Page:
    """All of it. about: a line under the title. command: what made it. scores: of the model."""

    title: str
    about: str
    facts: tuple[Fact, ...]
    sections: tuple[Section, ...]
    command: str
    scores: tuple[Score, ...] = ()
