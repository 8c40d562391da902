"""A page as a picture: its sample beside its bars, drawn by matplotlib."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from delrec_compile.errors import ToolchainError
from delrec_compile.evaluation.page.figures import Bars, Page
from delrec_compile.evaluation.page.recording import Recording
from delrec_compile.system.extras import install

INK, BLUE, GREY, ORANGE = "#1b1f24", "#0b62a8", "#8a939c", "#ad4a00"
MOST_BARS, MOST_ROWS = 3, 12
WIDTH, DPI = 12, 110


def available() -> Any:
    """matplotlib's figure module. Raises ToolchainError if it is not installed."""
    try:
        from matplotlib import figure
    except ImportError as error:
        raise ToolchainError(
            f"a picture needs matplotlib: {install('plots')}, or write the page alone with --html"
        ) from error
    return figure


def picture(page: Page, recording: Recording | None) -> bytes:
    """A PNG. Bars keep the places and the ticks that they have on the page."""
    parts = [p for s in page.sections for p in s.parts if isinstance(p, Bars)][:MOST_BARS]
    columns = int(recording is not None) + int(bool(parts)) or 1
    figure = available().Figure(figsize=(WIDTH, 7.5), dpi=DPI, layout="constrained")
    figure.suptitle(f"{page.title}\n{page.about}", parse_math=False, fontsize=12, x=0.02, ha="left")
    sides = iter(np.atleast_1d(figure.subfigures(1, columns, wspace=0.03)))
    if recording is not None:
        _raster(next(sides), recording)
    if parts:
        _bars(next(sides), parts)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _raster(side: Any, r: Recording) -> None:
    """Input, populations and outputs over one axis of time."""
    rows: list[tuple[str, Any, str]] = [("input x", r.x, GREY)]
    rows += [(name, s, INK) for name, s in zip(r.names, r.spikes, strict=True)]
    axes = side.subplots(len(rows) + 1, 1, sharex=True, squeeze=False)[:, 0]
    for panel, (name, values, colour) in zip(axes, rows, strict=False):
        step, neuron = np.nonzero(values)
        panel.scatter((step + 0.5) * r.dt_ms, neuron, s=3, marker="|", color=colour, linewidths=1)
        panel.set_ylim(-0.5, values.shape[1] - 0.5)
        panel.set_ylabel(name, parse_math=False)
    last = axes[-1]
    time = (np.arange(r.steps) + 0.5) * r.dt_ms
    last.plot(time, r.y, color="#a9cbe8", linewidth=0.8)
    last.plot(time, r.y[:, r.decided], color=BLUE, linewidth=1.8)
    last.set(xlim=(0, r.steps * r.dt_ms), xlabel="time, ms", ylabel="output y")
    axes[0].set_title(f"sample {r.index}, {r.class_text}", parse_math=False, fontsize=9, loc="left")


def _bars(side: Any, parts: list[Bars]) -> None:
    """Each in a panel of its own, the first row at the top."""
    heights = [min(len(p.rows), MOST_ROWS) + 2 for p in parts]
    grid = side.subplots(len(parts), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, part in zip(grid, parts, strict=True):
        rows = part.rows[:MOST_ROWS]
        for k, bar in enumerate(rows):
            if bar.at is None:
                continue
            own = BLUE if "own" in bar.kind else GREY
            panel.barh(k, bar.at, height=0.12 if part.dots else 0.6, color=own)
            if part.dots:
                face = "white" if "estimate" in bar.kind else own
                panel.plot(bar.at, k, "o", color=own, markerfacecolor=face)
        if part.line is not None:
            panel.axvline(part.line.at, color=ORANGE, linestyle="--", linewidth=1)
        names = [f"{b.label}: {b.value}" for b in rows]
        panel.set_yticks(range(len(rows)), names, parse_math=False, fontsize=8)
        panel.set_xticks([t.at for t in part.ticks], [t.text for t in part.ticks], fontsize=8)
        panel.set(xlim=(0, 102), ylim=(len(rows) - 0.5, -0.5))
        panel.set_title(part.title, parse_math=False, fontsize=9, loc="left")
