"""Membranes of a few neurons over the sample, with their thresholds and spikes."""

from __future__ import annotations

import numpy as np

from delrec_compile.evaluation.page.axes import linear, short, time_ticks
from delrec_compile.evaluation.page.figures import Note, Path, Plot, Plots, Table
from delrec_compile.evaluation.page.raster import line
from delrec_compile.evaluation.page.recording import Recording

PANELS = 8


def traces(r: Recording) -> Plots:
    """A plot for each chosen neuron."""
    plots = tuple(_plot(r, layer, neuron) for layer, neuron in chosen(r))
    return Plots(
        plots,
        caption=(
            "Membranes before the reset, in units of the network; the dashed line is the threshold, "
            "the marks above are spikes. Chosen in each population: the neuron with the most spikes "
            "and the one in the middle."
        ),
        wide=False,
        steps=r.steps,
    )


def chosen(r: Recording) -> list[tuple[int, int]]:
    """Population and neuron of each plot: that of the first difference, then of each population the
    one with the most spikes and the one in the middle of those that fire."""
    out = [] if r.first is None else [(r.first.layer, r.first.neuron)]
    room = max(1, (PANELS - len(out)) // max(len(r.spikes), 1))
    for layer, spikes in enumerate(r.spikes):
        counts = spikes.sum(axis=0)
        order = np.argsort(-counts.astype(int), kind="stable")
        order = order[counts[order] > 0] if counts.any() else order[:1]
        picked = [int(order[0]), int(order[len(order) // 2])][: min(room, 2)]
        out += [(layer, n) for n in dict.fromkeys(picked) if (layer, n) not in out]
    return out[:PANELS]


def _plot(r: Recording, layer: int, neuron: int) -> Plot:
    v, fired = r.membranes[layer][:, neuron], r.spikes[layer][:, neuron]
    threshold = float(r.thresholds[layer][neuron])
    low, high = min(float(v.min()), 0.0), max(float(v.max()), threshold)
    high += (high - low or 1.0) * 0.12  # room for the marks of spikes
    at = round((1 - (threshold - low) / (high - low)) * 1000)
    ticks = "".join(f"M{t + 0.5} 10v70" for t in np.nonzero(fired)[0].tolist())
    paths: tuple[Path, ...] = (
        Path("limit", f"M0 {at}h{r.steps}"),
        Path("membrane", line(v, low, high)),
    )
    paths += (Path("tick", ticks),) if ticks else ()
    count = int(fired.sum())
    name = f"{r.names[layer]}, neuron {neuron}"
    aside = f"{count} spike{'' if count == 1 else 's'}, threshold {short(threshold)}"
    notes: tuple[Note, ...] = ()
    if r.first is not None and (r.first.layer, r.first.neuron) == (layer, neuron):
        x = 100 * (r.first.step + 0.5) / r.steps
        notes = (Note(round(x, 2), at / 10, f"first difference, step {r.first.step}"),)
    return Plot(
        title=name,
        label=f"Membrane of {name}: {aside}",
        width=r.steps,
        height=1000,
        pixels=110,
        paths=paths,
        x=time_ticks(r.steps, r.dt_ms, 4),
        y=linear(low, high, 3, up=True),
        x_title="time, ms",
        aside=aside,
        notes=notes,
        shared=True,
    )


def traces_table(r: Recording) -> Table:
    """The traces in numbers."""
    rows = []
    for layer, neuron in chosen(r):
        v, fired = r.membranes[layer][:, neuron], r.spikes[layer][:, neuron]
        top = int(v.argmax())
        rows.append(
            (
                f"{r.names[layer]}, neuron {neuron}",
                short(float(r.thresholds[layer][neuron])),
                f"{int(fired.sum()):,}",
                f"{float(v.min()):.3g}",
                f"{float(v.max()):.3g}",
                f"{top * r.dt_ms:g} ms",
            )
        )
    columns = ("neuron", "threshold", "spikes", "least", "greatest", "greatest at")
    return Table("The membranes in numbers", columns, rows, folded=True)
