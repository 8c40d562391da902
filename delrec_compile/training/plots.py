"""Pictures of a training: loss and accuracy over the epochs, and where the delays came to lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.errors import ToolchainError
from delrec_compile.network.model import Network
from delrec_compile.training.state import Epoch


def available() -> Any:
    """matplotlib's figure module. Raises ToolchainError where it is not installed."""
    try:
        from matplotlib import figure
    except ImportError as error:
        raise ToolchainError(
            "pictures need matplotlib: pip install 'delrec-compile[plots]', or leave out --plots"
        ) from error
    return figure


def files(out: Path) -> tuple[Path, Path]:
    """Of the curves and of the delays."""
    return out.with_suffix(".curves.png"), out.with_suffix(".delays.png")


def draw(history: Sequence[Epoch], network: Network, out: Path) -> list[Path]:
    """The curves, and the delays where the network has some of its own; the files made."""
    curves, delays = files(out)
    made = [_curves(history, curves)]
    held = {i: r.arrays()["delay"] for i, r in network.recurrences() if "delay" in r.arrays()}
    if network.max_delay and held:
        made.append(_delays(held, network.max_delay, delays))
    return made


def _curves(history: Sequence[Epoch], path: Path) -> Path:
    figure = available().Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    numbers = [epoch.number for epoch in history]
    left.plot(numbers, [epoch.loss for epoch in history])
    left.set(xlabel="epoch", ylabel="training loss", yscale="log")
    right.plot(numbers, [100 * epoch.train_accuracy for epoch in history], label="training")
    right.plot(numbers, [100 * epoch.valid_accuracy for epoch in history], label="validation")
    right.set(xlabel="epoch", ylabel="accuracy, %")
    right.legend()
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return path


def _delays(held: Mapping[int, NDArray[Any]], longest: int, path: Path) -> Path:
    figure = available().Figure(figsize=(4 * len(held), 3.2), layout="constrained")
    panels = figure.subplots(1, len(held), squeeze=False)[0]
    edges = np.arange(longest + 2) - 0.5
    for panel, (i, delay) in zip(panels, held.items(), strict=True):
        heads = np.atleast_2d(delay)
        rows = list(heads) if len(heads) <= 8 else [heads.ravel()]
        labels = [f"head {m}" for m in range(len(rows))] if len(rows) > 1 else None
        panel.hist(rows, bins=edges, stacked=True, label=labels)
        panel.set(xlabel="delay, steps", ylabel="delays", title=f"layer {i}")
        if labels:
            panel.legend(fontsize="small")
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return path
