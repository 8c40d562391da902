"""The raster of a sample: input, spikes of every population, outputs, over one axis of time."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.evaluation.page.axes import linear, short, time_ticks
from delrec_compile.evaluation.page.figures import Note, Path, Plot, Plots, Table, Tick
from delrec_compile.evaluation.page.pixels import image
from delrec_compile.evaluation.page.recording import Recording

ROWS = 240  # of a plot: neurons beyond share a row
COLUMNS = 500  # of a plot: steps beyond share a column
MARKS = 60_000  # of a page
LEAST_PIXELS = 56
POINTS = 800  # of a line


def raster(r: Recording) -> Plots:
    """Plots of one column; each step is as wide as another."""
    rows = ROWS
    every: list[NDArray[Any]] = [r.x, *r.spikes]
    total = sum(int(np.count_nonzero(s)) for s in every)
    while total > MARKS and rows > 30:  # long samples of large networks: coarser rows
        rows, total = rows // 2, total // 2
    plots = [_inputs(r, rows)]
    for k, name in enumerate(r.names):
        plots.append(_population(r, k, name, rows))
    plots.append(_outputs(r))
    return Plots(
        tuple(plots),
        caption=f"Sample {r.index}, {r.class_text}. Each mark is a spike; neuron 0 is at the bottom.",
        steps=r.steps,
        spoken=tuple(_step_lines(r)),
    )


def marks(spikes: NDArray[Any], rows: int = ROWS) -> tuple[str, int]:
    """An SVG path with a run of each row's consecutive spikes, and the number of its rows.

    spikes: (T, N). Row 0 is the last neuron: neuron 0 is at the bottom. Above `rows` neurons, several
    share a row, which is marked where one of them fires; steps beyond COLUMNS share columns likewise.
    """
    fired = np.asarray(spikes) != 0
    for axis, most in ((0, COLUMNS), (1, rows)):
        count = fired.shape[axis]
        if count > most:
            starts = np.linspace(0, count, most + 1).astype(int)[:-1]
            fired = np.logical_or.reduceat(fired, starts, axis=axis)
    flipped = fired[:, ::-1].T  # (rows, T)
    edge = np.diff(np.pad(flipped, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    (row, begin), (_, end) = np.nonzero(edge == 1), np.nonzero(edge == -1)
    runs = zip(row.tolist(), begin.tolist(), (end - begin).tolist(), strict=True)
    return "".join(f"M{b} {y}h{n}" for y, b, n in runs), len(flipped)


def line(values: NDArray[Any], low: float, high: float, height: int = 1000) -> str:
    """An SVG path through the values, one at the middle of each step; long ones keep their extremes."""
    steps = np.arange(len(values)) + 0.5
    if len(values) > POINTS:
        steps, values = _extremes(values)
    span = (high - low) or 1.0
    y = np.rint((1 - (values - low) / span) * height).astype(int)
    points = zip(steps.tolist(), y.tolist(), strict=True)
    return "M" + "L".join(f"{t:g} {v}" for t, v in points)


def _extremes(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The least and the greatest value of each part, in their order."""
    edges = np.linspace(0, len(values), POINTS // 2 + 1).astype(int)
    at: list[int] = []
    for a, b in itertools.pairwise(edges):
        part = values[a:b]
        at += sorted({a + int(part.argmin()), a + int(part.argmax())})
    return np.array(at) + 0.5, values[at]


def _inputs(r: Recording, rows: int) -> Plot:
    active = int(np.count_nonzero(r.x))
    counts = np.array_equal(r.x, np.rint(r.x)) and r.x.min() >= 0
    share = active / max(r.x.size, 1)
    common: dict[str, Any] = _time_axis(r) | {"y": _neurons(r.x.shape[1]), "title": "input x"}
    if not counts:
        picture = image(r.x.T[::-1], signed=bool(r.x.min() < 0))
        aside = (
            f"{r.x.shape[1]:,} values from {short(float(r.x.min()))} to {short(float(r.x.max()))}"
        )
        return Plot(**common, label=f"Input: {aside}", width=1, height=1, pixels=110, image=picture,
                    aside=aside)  # fmt: skip
    d, count = marks(r.x, rows)
    aside = f"{r.x.shape[1]:,} channels, {share:.1%} active"
    return Plot(
        **common,
        label=f"Raster of the input: {aside}",
        width=min(r.steps, COLUMNS),
        height=count,
        pixels=_pixels(count),
        paths=(Path("input", d),),
        aside=aside,
    )


def _population(r: Recording, k: int, name: str, rows: int) -> Plot:
    spikes = r.spikes[k]
    d, count = marks(spikes, rows)
    fired, neurons = int(spikes.sum()), spikes.shape[1]
    aside = f"{neurons:,} neurons, {fired:,} spikes, {fired / max(spikes.size, 1):.1%} per step"
    paths = [Path("spike", d)]
    notes: tuple[Note, ...] = ()
    if r.other is not None and not np.array_equal(r.other[k], spikes):
        apart, _ = marks(r.other[k] != spikes, rows)
        paths.append(Path("differs", apart))
        aside += f", {int((r.other[k] != spikes).sum()):,} differ"
    if r.first is not None and r.first.layer == k:
        x = 100 * (r.first.step + 0.5) / r.steps
        y = 100 * (1 - (r.first.neuron + 0.5) / neurons)
        notes = (Note(round(x, 2), round(y, 2), "first difference"),)
    return Plot(
        title=name,
        label=f"Raster of {name}: {aside}",
        width=min(r.steps, COLUMNS),
        height=count,
        pixels=_pixels(count),
        paths=tuple(paths),
        y=_neurons(neurons),
        aside=aside,
        notes=notes,
        **_time_axis(r),
    )


def _outputs(r: Recording) -> Plot:
    low, high = float(r.y.min()), float(r.y.max())
    low, high = (low, high) if high > low else (low - 1, high + 1)
    shown = [k for k in (r.label, r.decided) if k is not None]
    rest = [line(r.y[:, k], low, high) for k in range(r.y.shape[1]) if k not in shown]
    paths = [Path("other", "".join(rest))] if rest else []
    if r.label is not None and r.label != r.decided:
        paths.append(Path("wanted", line(r.y[:, r.label], low, high)))
    paths.append(Path("chosen", line(r.y[:, r.decided], low, high)))
    return Plot(
        title="output y",
        label=f"Outputs over time: {r.y.shape[1]} lines; {r.class_text}",
        width=r.steps,
        height=1000,
        pixels=130,
        paths=tuple(paths),
        y=linear(low, high, 3, up=True),
        aside=r.class_text,
        **_time_axis(r),
    )


def raster_table(r: Recording) -> Table:
    """The raster in numbers."""
    rows = [_row("input x", r.x, r.dt_ms)]
    rows += [_row(name, s, r.dt_ms) for name, s in zip(r.names, r.spikes, strict=True)]
    columns = ("population", "neurons", "spikes", "per neuron and step", "silent", "first at")
    return Table("The raster in numbers", columns, rows, folded=True)


def _row(name: str, spikes: NDArray[Any], dt_ms: float) -> tuple[str, ...]:
    fired = spikes != 0
    steps = np.nonzero(fired.any(axis=1))[0]
    first = f"{steps[0] * dt_ms:g} ms" if len(steps) else "never"
    silent = int((~fired.any(axis=0)).sum())
    share = f"{fired.mean():.1%}"
    return name, f"{fired.shape[1]:,}", f"{int(fired.sum()):,}", share, f"{silent:,}", first


def _step_lines(r: Recording) -> Iterable[str]:
    """What happens in each step, for the slider under the raster."""
    parts: list[tuple[str, NDArray[Any]]] = [("input", r.x), *zip(r.names, r.spikes, strict=True)]
    leading = r.y.argmax(axis=1)
    for t in range(r.steps):
        counts = ", ".join(f"{name} {int(np.count_nonzero(s[t])):,}" for name, s in parts)
        yield f"{t * r.dt_ms:g} ms: {counts} active; {r.named(int(leading[t]))} leads"


def _time_axis(r: Recording) -> dict[str, Any]:
    return {"x": time_ticks(r.steps, r.dt_ms), "x_title": "time, ms", "shared": True}


def _neurons(count: int) -> tuple[Tick, ...]:
    return (Tick(0, str(count - 1)), Tick(100, "0")) if count > 1 else (Tick(50, "0"),)


def _pixels(rows: int) -> int:
    return max(LEAST_PIXELS, min(rows, ROWS))
