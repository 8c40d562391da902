"""The networks whose steps are tried: layers, graphs, maps, neuron models, readouts, real inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import drawn_graphs
from benchmarks.drawn import counts
from delrec_compile.aliases import F32
from delrec_compile.data.arrays import load_samples
from delrec_compile.data.samples import bundled_file
from delrec_compile.network.checkpoint import load
from delrec_compile.network.model import Network
from delrec_compile.network.onnx_step.export import export
from delrec_compile.network.torch_step import Step

STEPS = 40
FIRST = 20  # step of the bundled word: it begins with silence


@dataclass(frozen=True)
class Entry:
    """unroll: time steps per call."""

    title: str
    make: Callable[[], Network]
    unroll: int = 1


def _graph(title: str, seed: int) -> Entry:
    return Entry(f"graph: {title}", partial(drawn_graphs.graph, seed))


ENTRIES: dict[str, Entry] = {
    "conv_delay": Entry("conv_delay_256", partial(load, "conv_delay_256")),
    "heads": Entry("conv_delay_320_2_heads", partial(load, "conv_delay_320_2_heads")),
    "dense_delay": Entry("dense_delay_256", partial(load, "dense_delay_256")),
    "unrolled": Entry("conv_delay_256, 4 steps per call", partial(load, "conv_delay_256"), 4),
    "graph_maps": _graph("alif, cuba_lif, lif; maps of every kind, delayed inputs", 1),
    "graph_real": _graph("real inputs; readouts that count and that stay", 2),
    "graph_alpha": _graph("lif, cuba_lif, alpha in cycles; two readouts", 3),
    "graph_loihi": _graph("loihi, cuba_lif; a delay of every weight", 4),
    "graph_adlif": _graph("adlif; delays from the input per synapse", 6),
    "graph_cycles": _graph("5 populations in cycles; a synaptic readout", 7),
}


def write_entry(folder: Path, name: str) -> Path:
    """Writes the files of an entry."""
    entry = ENTRIES[name]
    return write(folder, name, entry.make(), entry.unroll)


def write(folder: Path, name: str, network: Network, unroll: int = 1) -> Path:
    """`<name>.onnx`, a step of one stream, and `<name>.npz`: `x` of its calls and what must come out.

    What must come out is PyTorch's. Raises ValueError for a network that never fires.
    """
    path = folder / f"{name}.onnx"
    model = export(network, path, unroll=unroll, batch=1)
    x = _inputs(network).reshape(-1, unroll, 1, network.inputs)
    rows: dict[str, list[Any]] = {value.name: [] for value in model.graph.output}
    for name_, value in _calls(network, x):
        rows[name_].append(value)
    wanted: Any = {n: np.stack(values) for n, values in rows.items()}
    if not any(v.any() for n, v in wanted.items() if n.endswith("_hist")):
        raise ValueError(f"{name} never fires")
    if unroll == 1:
        x, wanted["y"] = x[:, 0], wanted["y"][:, 0]
    np.savez(path.with_suffix(".npz"), x=x, **wanted)
    return path


def _inputs(network: Network) -> F32:
    """(STEPS, 1, inputs): of a bundled word where it fits, else random."""
    word = load_samples(bundled_file()).counts[0, FIRST : FIRST + STEPS, None]
    if network.inputs != word.shape[-1]:
        return counts(network, STEPS, 1, seed=5)
    return np.minimum(word, network.max_input).astype(np.float32)


def _calls(network: Network, x: Any) -> Iterator[tuple[str, Any]]:
    """Each output of the graph after each call."""
    step = Step(network)
    state = step.reset(1)
    for call in torch.from_numpy(x):
        ys = []
        for row in call:
            y, *state = step(row, *state)
            ys.append(y.numpy())
        yield "y", np.stack(ys)
        for name, value in zip(step.names, state, strict=True):
            yield f"present_{name}", value.numpy()
