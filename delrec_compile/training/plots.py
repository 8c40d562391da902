"""Pictures of a training: loss and accuracy over the epochs, and the distribution of the delays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.errors import ToolchainError
from delrec_compile.network.model import Network
from delrec_compile.system.extras import install
from delrec_compile.training.state import Epoch


def available() -> Any:
    """matplotlib's figure module. Raises ToolchainError if it is not installed."""
    try:
        from matplotlib import figure
    except ImportError as error:
        raise ToolchainError(
            f"plots need matplotlib: {install('plots')}, or omit --plots"
        ) from error
    return figure


def files(out: Path) -> tuple[Path, Path]:
    """File names of the curves and of the delays."""
    return out.with_suffix(".curves.png"), out.with_suffix(".delays.png")


def draw(history: Sequence[Epoch], network: Network, out: Path) -> list[Path]:
    """Draws the curves, and the delays if the network has any. Returns the files."""
    curves, delays = files(out)
    drawn = [_curves(history, curves)]
    found = {
        f"{each.source} to {p.name}": each.synapses.arrays()["delay"]
        for p, each in network.projections()
        if "delay" in each.synapses.arrays()
    }
    if network.max_delay and found:
        drawn.append(_delays(found, network.max_delay, delays))
    return drawn


def _curves(history: Sequence[Epoch], path: Path) -> Path:
    figure = available().Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    numbers = [epoch.number for epoch in history]
    left.plot(numbers, [epoch.loss for epoch in history])
    left.set(xlabel="epoch", ylabel="training loss", yscale="log")
    right.plot(numbers, [100 * epoch.train_accuracy for epoch in history], label="training")
    valid = {e.number: 100 * e.valid_accuracy for e in history if e.valid_accuracy is not None}
    right.plot(*zip(*valid.items(), strict=True), label="validation")
    right.set(xlabel="epoch", ylabel="accuracy, %")
    right.legend()
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return path


def _delays(found: Mapping[str, NDArray[Any]], longest: int, path: Path) -> Path:
    figure = available().Figure(figsize=(4 * len(found), 3.2), layout="constrained")
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    edges = np.arange(longest + 2) - 0.5
    for panel, (name, delay) in zip(panels, found.items(), strict=True):
        heads = np.atleast_2d(delay)
        rows = list(heads) if len(heads) <= 8 else [heads.ravel()]
        labels = [f"head {m}" for m in range(len(rows))] if len(rows) > 1 else None
        panel.hist(rows, bins=edges, stacked=True, label=labels)
        panel.set(xlabel="delay, steps", ylabel="delays", title=name)
        if labels:
            panel.legend(fontsize="small")
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return path
