"""Pictures of a training: loss and accuracy over the epochs, and where the delays came to lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.errors import ToolchainError
from delrec_compile.network import Network
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


def draw(history: Sequence[Epoch], network: Network, out: Path) -> list[Path]:
    """`<out>.curves.png`, and `<out>.delays.png` where the network has delays; the files."""
    made = [_curves(history, out.with_suffix(".curves.png"))]
    if network.max_delay:
        made.append(_delays(network, out.with_suffix(".delays.png")))
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


def _delays(network: Network, path: Path) -> Path:
    held = [(i, r.arrays()["delay"]) for i, r in network.recurrences() if "delay" in r.arrays()]
    figure = available().Figure(figsize=(4 * max(1, len(held)), 3.2), layout="constrained")
    panels = figure.subplots(1, max(1, len(held)), squeeze=False)[0]
    edges = np.arange(network.max_delay + 2) - 0.5
    for panel, (i, delay) in zip(panels, held, strict=False):
        heads = np.atleast_2d(delay)
        rows = list(heads) if len(heads) <= 8 else [heads.ravel()]
        labels = [f"head {m}" for m in range(len(rows))] if len(rows) > 1 else None
        panel.hist(rows, bins=edges, stacked=True, label=labels)
        panel.set(xlabel="delay, steps", ylabel="delays", title=f"layer {i}")
        if labels:
            panel.legend(fontsize="small")
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return path
