"""State of a step: its variables, and their names in graphs and artifacts.

A layer's variables are `l<i>_<variable>`, the readout's `out_<variable>`. An ONNX step takes each as
`past_<name>` and gives it back as `present_<name>`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

PAST, PRESENT = "past_", "present_"
HISTORY = "hist"  # variable of a recurrence: spikes (depth, N), newest first
READOUT = "out_"
State = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class StateVar:
    """One array that a step reads and writes.

    name: C-like. shape: without the batch axis. dtype: in the reference. meaning: plain text.
    """

    name: str
    shape: tuple[int, ...]
    meaning: str
    dtype: str = "float32"


def layer_prefix(i: int) -> str:
    """Prefix of the names of layer i."""
    return f"l{i}_"


def past(name: str) -> str:
    """Graph input of a state variable."""
    return PAST + name


def present(name: str) -> str:
    """Graph output of a state variable."""
    return PRESENT + name
