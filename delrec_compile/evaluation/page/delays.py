"""Learned delays and kernels of every projection that has them: distribution, map, weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.evaluation.page.axes import linear, short
from delrec_compile.evaluation.page.figures import Path, Plot, Plots, Table, Tick
from delrec_compile.evaluation.page.pixels import image
from delrec_compile.network.model import Convolution, Network, Projection
from delrec_compile.ops.synapses import Synapses

PIXELS = 130
MOST_HEADS = 4  # heads whose delays are drawn neuron by neuron
MOST_TAPS = 64  # of a kernel that is drawn as bars
MOST_PROJECTIONS = 8


def delays(network: Network) -> list[Plots | Table]:
    """For each projection: how many delays of each length, which neuron has which, and the weights."""
    out: list[Plots | Table] = []
    drawn = [pair for pair in network.projections() if _has(pair[1])]
    for target, each in drawn[:MOST_PROJECTIONS]:
        back = network.closes_cycle(target, each)
        name = f"{each.source} to {target.name}"
        out.append(Plots(tuple(_plots(each)), caption=_caption(name, each, back), wide=False))
        table = _table(name, each)
        if table is not None:
            out.append(table)
    return out


def _has(each: Projection) -> bool:
    return isinstance(each.synapses, Synapses | Convolution)


def steps_of(synapses: Any) -> NDArray[np.int64] | None:
    """Every delay in steps, as the field is shaped; None of a map without delays."""
    if not isinstance(synapses, Synapses):
        return None
    found = synapses.arrays().get("delay", np.arange(synapses.depth))
    return np.asarray(found, np.int64)


def _caption(name: str, each: Projection, back: bool) -> str:
    s = each.synapses
    text = f"{name}: {s.name}, {s.parameters:,} parameters."
    if isinstance(s, Synapses):
        text += " A delay of d arrives d steps later" + (", and one more: it closes a cycle." if back
                                                         else ".")  # fmt: skip
    return text


def _plots(each: Projection) -> Iterator[Plot]:
    steps = steps_of(each.synapses)
    if steps is not None:
        yield _histogram(steps)
        yield _map(steps)
    for name, values in each.synapses.weights.items():
        yield _weights(name, values)


def _histogram(steps: NDArray[np.int64]) -> Plot:
    counts = np.bincount(steps.ravel())
    top = int(counts.max())
    d = "".join(f"M{k + 0.1:g} {top}v-{n}h.8v{n}z" for k, n in enumerate(counts.tolist()) if n)
    low, high, middle = int(steps.min()), int(steps.max()), float(np.median(steps))
    aside = f"{steps.size:,} delays, {low} to {high}, median {short(middle)}"
    return Plot(
        title="distribution",
        label=f"Histogram of delays: {aside}",
        width=len(counts),
        height=top,
        pixels=PIXELS,
        paths=(Path("column", d),),
        x=_middles(len(counts)),
        y=linear(0, top, 3, up=True, whole=True),
        x_title="delay, steps",
        y_title="delays",
        aside=aside,
    )


def _map(steps: NDArray[np.int64]) -> Plot:
    """Axonal delays: a mark for each neuron. Of each synapse, or of many heads: an image."""
    heads = np.atleast_2d(steps)
    if len(heads) > MOST_HEADS:
        return Plot(
            title="map",
            label=f"Map of delays, {heads.shape[0]} rows and {heads.shape[1]} columns, "
            f"{int(steps.min())} (light) to {int(steps.max())} (dark) steps",
            width=1,
            height=1,
            pixels=PIXELS,
            image=image(heads, signed=False),
            x=(Tick(0, "0"), Tick(100, f"{heads.shape[1] - 1}")),
            y=(Tick(0, "0"), Tick(100, f"{heads.shape[0] - 1}")),
            x_title="neuron that sends",
            y_title="head" if steps.shape[0] < steps.shape[1] / 4 else "neuron that receives",
            aside=f"light {int(steps.min())}, dark {int(steps.max())} steps",
        )
    longest = int(steps.max())
    paths = [
        Path(f"mark head{m}", "".join(f"M{n} {longest - d}h1" for n, d in enumerate(row.tolist())))
        for m, row in enumerate(heads)
    ]
    what = "taps" if heads.size <= 8 else "neurons"
    return Plot(
        title="map",
        label=f"Delay of each of {heads.shape[1]} {what}, {len(heads)} of each",
        width=heads.shape[1],
        height=longest + 1,
        pixels=PIXELS,
        paths=tuple(paths),
        x=_middles(heads.shape[1]),
        y=_middles(longest + 1, 4, up=True),
        x_title="tap" if what == "taps" else "neuron that sends",
        y_title="delay, steps",
        aside="" if len(heads) == 1 else f"{len(heads)} heads",
    )


def _weights(name: str, values: NDArray[Any]) -> Plot:
    flat = np.asarray(values, np.float64)
    low, high = float(flat.min()), float(flat.max())
    count = " x ".join(map(str, flat.shape))
    aside = f"{count}{' weights' if flat.ndim == 1 else ''}, {short(low)} to {short(high)}"
    if flat.size > MOST_TAPS:
        rows = flat.reshape(-1, flat.shape[-1])
        return Plot(
            title=name,
            label=f"Map of {name}: {aside}; brown is negative, blue positive",
            width=1,
            height=1,
            pixels=PIXELS,
            image=image(rows, signed=True),
            x=(Tick(0, "0"), Tick(100, f"{rows.shape[1] - 1}")),
            y=(Tick(0, "0"), Tick(100, f"{rows.shape[0] - 1}")),
            x_title="column",
            aside=aside,
        )
    return _bars(name, flat.ravel(), aside)


def _bars(name: str, flat: NDArray[np.float64], aside: str) -> Plot:
    low, high = min(float(flat.min()), 0.0), max(float(flat.max()), 0.0)
    span = high - low or 1.0
    zero = round(high / span * 1000)
    heights = [round(-v / span * 1000) for v in flat.tolist()]
    d = "".join(f"M{k + 0.15:g} {zero}v{h}h.7v{-h}z" for k, h in enumerate(heights) if h)
    return Plot(
        title=name,
        label=f"Bars of {name}: {aside}",
        width=len(flat),
        height=1000,
        pixels=PIXELS,
        paths=(Path("axis", f"M0 {zero}h{len(flat)}"), Path("column", d)),
        x=_middles(len(flat)),
        y=linear(low, high, 4, up=True),
        x_title="tap",
        aside=aside,
    )


def _middles(count: int, most: int = 6, *, up: bool = False) -> tuple[Tick, ...]:
    """Ticks in the middle of columns that are numbered from 0."""
    every = max(1, -(-count // most))
    at = [(k, (k + 0.5) / count) for k in range(0, count, every)]
    return tuple(Tick(round(100 * (1 - a if up else a), 3), str(k)) for k, a in at)


def _table(name: str, each: Projection) -> Table | None:
    steps = steps_of(each.synapses)
    if steps is None:
        return None
    counts = np.bincount(steps.ravel()).tolist()
    rows = [(str(k), f"{n:,}", f"{n / steps.size:.1%}") for k, n in enumerate(counts) if n]
    return Table(f"Delays of {name}", ("delay, steps", "count", "share"), rows, folded=True)
