"""Checkpoints of the DelRec and conv_delays code: `{'net': state dict, 'acc': .., 'epoch': ..}`.

A block begins with each Linear, `layers.<i>.weight`; a BatchNorm and a recurrence (`recurrent_kernel`
or `recurrent_weights`, with `recurrent_delays`) up to the next one belong to it. The last block is the
readout. Delays belong to the neuron that sends, rows of recurrent weights to those that receive.

The files contain neither the neurons' constants nor sigma, the spread of the delays: a spike of neuron
j arrives l steps later with max(0, s - |l - (1 + d_j)|) / s^2, s = 1 + sigma. The constants are those
of a recipe; sigma is 0 by default.

Sources: arXiv 2509.24852 (DelRec), arXiv 2604.15997 and the layout of their authors' checkpoints.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F64
from delrec_compile.errors import CheckpointError, NetworkError, UnsupportedError, UsageError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.chain import Chain, Integrator, Neurons
from delrec_compile.interop.delrec.blocks import Block, blocks_of, values
from delrec_compile.interop.result import Imported
from delrec_compile.network import grid
from delrec_compile.network.model import ConvDelay, DenseDelay, Lif, Recurrence
from delrec_compile.ops.checks import MAX_DELAY

RECIPES = ("shd", "ssc")
# constants of the neurons of each recipe
SHD = {"beta": 1 - 1 / 1.05, "reset": "hard", "fires": "at"}
SSC = {"beta": float(np.exp(-0.5)), "reset": "soft", "fires": "above"}
GAINS = ("one", "leak")


def from_checkpoint(
    path: Path | str,
    *,
    sigma: float = 0.0,
    recipe: str | None = None,
    tau: float | None = None,
    reset: str | None = None,
    fires: str | None = None,
    gain: str = "one",
    dt_ms: float = 10.0,
    max_input: int = 31,
    name: str = "network",
) -> Imported:
    """A checkpoint of the authors' code as a frozen network; it is read without running code.

    sigma: spread of the delays, 0 to 1. The authors test with a small one (0.06 on SHD) that is not
    in the file; with 0 a spike arrives once. Above 0, kernels become three heads.
    recipe: `shd` (LIF of SpikingJelly, tau 1.05, hard reset, the readout a LIF that never fires) or
    `ssc` (beta exp(-1/2), soft reset, linear readout); by default shd where there are BatchNorms.
    tau: in steps, beta = 1 - 1/tau. reset, fires: as in `Lif`. gain: factor of the current, `one`
    or `leak`: 1 - beta, as in later versions.

    Raises CheckpointError for an invalid file, UnsupportedError for what networks do not have.
    """
    blocks = blocks_of(path)
    norms = any(isinstance(part, linear_parts.Scale) for block in blocks for part in block.parts)
    remarks: list[str] = []
    if recipe is None:
        recipe = "shd" if norms else "ssc"
        why = "it has BatchNorms" if norms else "it has no BatchNorm"
        remarks.append(f"neurons of the recipe '{recipe}', as {why}; --recipe chooses another")
    lif, beta = _neurons(recipe, tau, reset, fires, gain)
    chain = _chain(blocks, lif, sigma, remarks)
    if recipe == "shd":
        scale = 1 - beta if gain == "leak" else 1.0
        chain.add(f"layers.{blocks[-1].at}", Integrator(beta, scale))
    if any(block.recurrence for block in blocks):
        remarks.append(
            f"sigma {sigma:g}: the file does not contain the spread that it was tested with; measure "
            "the accuracy again (-i)"
        )
    notes = {"imported_from": "checkpoint", "recipe": recipe, "sigma": sigma}
    try:
        network = chain.network(
            dt_ms=dt_ms, max_input=max_input, name=name, notes=notes, decision="softmax_sum"
        )
    except NetworkError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return Imported(grid.snap(network), network, "a checkpoint", tuple(remarks))


def _chain(blocks: list[Block], lif: Lif, sigma: float, remarks: list[str]) -> Chain:
    """All parts but the neurons of the readout. Raises UnsupportedError."""
    chain = Chain(blocks[0].parts[0].inputs, remarks=remarks)
    for block in blocks[:-1]:
        for part in block.parts:
            chain.add(f"layers.{block.at}", part)
        chain.add(f"layers.{block.at}", Neurons(lif, *_recurrence(block, sigma, remarks)))
    last = blocks[-1]
    if last.recurrence:
        raise UnsupportedError(
            f"layers.{last.at}: the last layer is recurrent; a readout is required"
        )
    for part in last.parts:
        chain.add(f"layers.{last.at}", part)
    return chain


def _neurons(
    recipe: str, tau: float | None, reset: str | None, fires: str | None, gain: str
) -> tuple[Lif, float]:
    for option, value, allowed in (("recipe", recipe, RECIPES), ("gain", gain, GAINS)):
        if value not in allowed:
            raise UsageError(f"unknown {option} '{value}'; allowed: {', '.join(allowed)}")
    constants: dict[str, Any] = dict(SHD if recipe == "shd" else SSC)
    if tau is not None:
        if not tau >= 1:
            raise UsageError(f"tau is {tau}; 1 step or more is required")
        constants["beta"] = 1 - 1 / tau
    constants |= {k: v for k, v in (("reset", reset), ("fires", fires)) if v is not None}
    try:
        lif = Lif(**constants, gain=1 - constants["beta"] if gain == "leak" else 1.0)
    except NetworkError as error:
        raise UsageError(str(error)) from error
    return lif, constants["beta"]


def _recurrence(
    block: Block, sigma: float, remarks: list[str]
) -> tuple[Recurrence | None, F64 | None]:
    """The recurrence of a block and its constant current, or None for either."""
    own, where, n = dict(block.recurrence), f"layers.{block.recurrence_at}", block.parts[0].outputs
    if not own:
        return None, None
    kernel, weight = own.get("recurrent_kernel"), own.get("recurrent_weights")
    if (kernel is None) == (weight is None):
        raise CheckpointError(f"{where}: one of recurrent_kernel and recurrent_weights is required")
    if not 0 <= sigma <= 1:
        raise UsageError(f"sigma is {sigma}; allowed: 0 to 1")
    constant = values(where, own, "recurrent_bias", n)
    delay = _delays(where, own, n, remarks)
    try:
        if kernel is not None:
            if sigma and "p_spread" in own:
                raise UnsupportedError(f"{where}: each neuron has its own spread; use sigma 0")
            return _kernel(where, _taps(where, kernel), delay, sigma), constant
        if sigma:
            raise UnsupportedError(
                f"{where}: sigma {sigma:g} gives each synapse three delays; recurrent weights have "
                "one; use sigma 0"
            )
        assert weight is not None
        return DenseDelay(weight.astype(np.float32), delay), constant
    except NetworkError as error:
        raise CheckpointError(f"{where}: {error}") from error


def _delays(where: str, own: dict[str, F64], n: int, remarks: list[str]) -> NDArray[np.int32]:
    """Delays of each sender in whole steps. Raises CheckpointError."""
    tensor = own.get("recurrent_delays", np.zeros(n))
    if tensor.size != n or n not in tensor.shape:
        raise CheckpointError(
            f"{where}.recurrent_delays has shape {list(tensor.shape)}; [{n}] is required"
        )
    real = tensor.ravel()
    delay = np.maximum(np.rint(real), 0)
    if delay.max() > MAX_DELAY:
        raise CheckpointError(
            f"{where}.recurrent_delays: {delay.max():g} steps; the longest delay allowed is "
            f"{MAX_DELAY}"
        )
    if off := float(np.abs(real - delay).max()):
        remarks.append(f"{where}: delays rounded to whole steps, by up to {off:.2f}")
    return delay.astype(np.int32)


def _taps(where: str, kernel: F64) -> F64:
    """The kernel (K,) over the neurons, of one channel. Raises CheckpointError."""
    if kernel.ndim != 1 and not (kernel.ndim == 3 and kernel.shape[:2] == (1, 1)):
        raise CheckpointError(
            f"{where}.recurrent_kernel has shape {list(kernel.shape)}; [K] or [1, 1, K] is required"
        )
    return kernel.ravel()


def _kernel(where: str, kernel: F64, at: NDArray[np.int32], sigma: float) -> ConvDelay:
    """The recurrence; with a spread it has heads one step before, at, and one step after the delay."""
    if not sigma:
        return ConvDelay(kernel.astype(np.float32), at)
    if at.min() < 1:
        raise UnsupportedError(
            f"{where}: a spread of delays below 1 would arrive at once; use sigma 0"
        )
    s = 1 + sigma
    shares = np.array([s - 1, s, s - 1]) / s**2
    kernels = (shares[:, None] * kernel).astype(np.float32)
    return ConvDelay(kernels, np.stack([at - 1, at, at + 1]))
