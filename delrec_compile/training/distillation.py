"""A frozen network as the teacher of another: its outputs over time are soft targets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from delrec_compile.errors import UsageError
from delrec_compile.network import checkpoint
from delrec_compile.network.classify import outputs
from delrec_compile.network.model import ConvDelay, DenseDelay, Layer, Lif, Network
from delrec_compile.ops.leaky_readout import LeakyReadout
from delrec_compile.ops.lif import RESETS
from delrec_compile.training.delay_lines import Mix, spread
from delrec_compile.training.mixes import KernelMix, MatrixMix
from delrec_compile.training.neuron import Neuron, delayed_lif

Teacher = Callable[[Tensor], Tensor]


def load(path: str | Path, channels: int, classes: int) -> Teacher:
    """Counts (T, B, channels) -> outputs (T, B, classes) of the network in `path`.

    Raises UsageError when it does not fit the data, CheckpointError for an invalid file.
    """
    network = checkpoint.load(path)
    shape = network.inputs, network.outputs
    if shape != (channels, classes):
        raise UsageError(
            f"teacher {path} has {shape[0]} inputs and {shape[1]} classes; the data has {channels} "
            f"and {classes}; use a network trained on the same data"
        )
    chain = not network.graph and isinstance(network.readout, LeakyReadout)
    if chain and all(_runs_in_torch(layer) for layer in network.layers):
        return lambda x: _outputs(network, x)
    return lambda x: torch.from_numpy(outputs(network, x.cpu().transpose(0, 1).numpy())).to(
        x.device
    )


def _runs_in_torch(layer: Layer) -> bool:
    """Whether `delayed_lif` computes the layer; others go through the reference."""
    kinds = (ConvDelay, DenseDelay, type(None))
    neuron = layer.neuron
    lif = isinstance(neuron, Lif) and not neuron.is_refractory and neuron.reset in RESETS
    lif = lif and neuron.arrays().keys() <= {"beta"}
    return layer.maps is None and lif and isinstance(layer.recurrence, kinds)


@torch.no_grad()
def _outputs(network: Network, x: Tensor) -> Tensor:
    x = x if network.real_input is None else network.real_input.torch_form(x)
    for layer in network.layers:
        x = _spikes(layer, x)
    readout = network.readout
    current = x @ _as_tensor(readout.weight.T, x) + _as_tensor(readout.bias, x)
    leak = readout.beta
    leak = _as_tensor(leak, x) if isinstance(leak, np.ndarray) else leak
    for t in range(1, len(current)):
        current[t] += leak * current[t - 1]
    return current


def _spikes(layer: Layer, x: Tensor) -> Tensor:
    current = x @ _as_tensor(layer.weight.T, x) + _as_tensor(layer.bias, x)
    drive = current.transpose(1, 2).contiguous()
    lif, recurrence = layer.lif, layer.recurrence
    beta = _as_tensor(lif.beta, x)[:, None] if isinstance(lif.beta, np.ndarray) else float(lif.beta)
    constants = (float(lif.threshold), float(lif.v_reset), float(lif.gain), lif.fires, lif.reset)
    neuron = Neuron(beta, *constants)
    if recurrence is None:
        return delayed_lif(drive, neuron).transpose(1, 2)
    assert isinstance(recurrence, ConvDelay | DenseDelay)
    delay = _as_tensor(np.atleast_2d(recurrence.delay), x)
    mask = spread(delay, 0.0).transpose(0, 1)
    if isinstance(recurrence, ConvDelay):
        mix: Mix = KernelMix()
        weight = _as_tensor(recurrence.kernels, x)
    else:
        mix, weight = MatrixMix(), _as_tensor(recurrence.weight, x)
    return delayed_lif(drive, neuron, weight, mask, mix).transpose(1, 2)


def _as_tensor(array: npt.NDArray[Any], x: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(x.device)
