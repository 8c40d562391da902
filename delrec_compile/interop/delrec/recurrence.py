"""The recurrence of a block: a kernel, or a matrix with a delay for each sender or each synapse.

A spike of neuron j arrives l steps later with max(0, s - |l - (1 + d_j)|) / s^2, s = 1 + sigma.
With sigma 0 it arrives once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F64
from delrec_compile.errors import CheckpointError, NetworkError, UnsupportedError, UsageError
from delrec_compile.interop.delrec.blocks import Block, values
from delrec_compile.network.model import ConvDelay, DenseDelay, Synapses, SynapticDelay
from delrec_compile.ops.checks import MAX_DELAY


def recurrence_of(
    block: Block, sigma: float, remarks: list[str]
) -> tuple[Synapses | None, F64 | None]:
    """The recurrence of a block and its constant current, or None for either.

    Raises CheckpointError, UsageError, and UnsupportedError for a spread that networks do not have.
    """
    own, where, n = dict(block.recurrence), f"layers.{block.recurrence_at}", block.linear.outputs
    if not own:
        return None, None
    kernel, weight = own.get("recurrent_kernel"), own.get("recurrent_weights")
    if (kernel is None) == (weight is None):
        raise CheckpointError(f"{where}: one of recurrent_kernel and recurrent_weights is required")
    if not 0 <= sigma < np.inf:
        raise UsageError(f"sigma is {sigma}; a number from 0 is required")
    constant = values(where, own, "recurrent_bias", n)
    spread = values(where, own, "p_spread", n)
    try:
        if kernel is not None:
            delay = _delays(where, own, n, remarks)
            width = _width(where, sigma, spread)
            return _kernel(where, kernel.ravel(), delay, width), constant
        if sigma:
            raise UnsupportedError(
                f"{where}: sigma {sigma:g} gives each synapse several delays, and recurrent_weights "
                "can have one here; sigma 0 lets each spike arrive once, which is another network"
            )
        assert weight is not None
        return _matrix(where, weight.astype(np.float32), own, n, remarks), constant
    except NetworkError as error:
        raise CheckpointError(f"{where}: {error}") from error


def spread_remark(blocks: list[Block], sigma: float, tested: float) -> str | None:
    """What the sigma of the import means beside that of the last test; None without a spread."""
    delays = [b.recurrence.get("recurrent_delays") for b in blocks if b.recurrence]
    own = any("p_spread" in block.recurrence for block in blocks)
    if not own and not any(d is not None and d.any() for d in delays):
        return None
    trained = ", and with a width for each neuron (p_spread)" if own else ""
    once = ": each spike arrives once, which is another network" if not sigma else ""
    return (
        f"sigma {sigma:g}{once}; the script's last test has about {tested:g}{trained}, or 0 where its "
        "delays are fixed, which is not in the file; measure the accuracy again (-i)"
    )


def _width(where: str, sigma: float, spread: F64 | None) -> float:
    """s of the formula, of all neurons. Raises UnsupportedError if neurons have widths of their own."""
    if spread is None or not sigma:
        return 1 + sigma
    if (spread != spread[0]).any():
        raise UnsupportedError(
            f"{where}.p_spread: each neuron has a spread of its own, and a kernel can have one here; "
            "sigma 0 lets each spike arrive once, which is another network"
        )
    return float(1 + 2 * sigma / (1 + np.exp(-spread[0])))


def _matrix(
    where: str, weight: NDArray[np.float32], own: dict[str, F64], n: int, remarks: list[str]
) -> Synapses:
    tensor = own.get("recurrent_delays", np.zeros(n))
    if n > 1 and tensor.shape == (n, n):
        return SynapticDelay(weight, _whole(where, tensor, remarks))
    return DenseDelay(weight, _delays(where, own, n, remarks))


def _delays(where: str, own: dict[str, F64], n: int, remarks: list[str]) -> NDArray[np.int32]:
    """Delays of each sender in whole steps. Raises CheckpointError."""
    tensor = own.get("recurrent_delays", np.zeros(n))
    if tensor.size != n or n not in tensor.shape:
        raise CheckpointError(
            f"{where}.recurrent_delays has shape {list(tensor.shape)}; [{n}] is required"
        )
    return _whole(where, tensor.ravel(), remarks)


def _whole(where: str, real: F64, remarks: list[str]) -> NDArray[np.int32]:
    delay = np.maximum(np.rint(real), 0)
    if delay.max() > MAX_DELAY:
        raise CheckpointError(
            f"{where}.recurrent_delays: {delay.max():g} steps; the longest delay allowed is "
            f"{MAX_DELAY}"
        )
    if (real < -0.5).any():
        remarks.append(f"{where}: delays below 0 became 0, as the scripts clamp them")
    if off := float(np.abs(np.maximum(real, 0) - delay).max()):
        remarks.append(f"{where}: delays rounded to whole steps, by up to {off:.2f}")
    return delay.astype(np.int32)


def _kernel(where: str, kernel: F64, at: NDArray[np.int32], width: float) -> ConvDelay:
    """The recurrence; with a spread it has heads on both sides of the delay, each with its share."""
    reach = int(np.ceil(width)) - 1
    if not reach:
        return ConvDelay(kernel.astype(np.float32), at)
    if at.min() < reach:
        raise UnsupportedError(
            f"{where}: a delay of {at.min()} with a spread of {reach} steps would arrive at once; use a "
            "smaller sigma, or sigma 0, which is another network"
        )
    offsets = np.arange(-reach, reach + 1)
    shares = (width - np.abs(offsets)) / width**2
    kernels = (shares[:, None] * kernel).astype(np.float32)
    return ConvDelay(kernels, at[None] + offsets[:, None].astype(np.int32))
