"""The recurrence of a block: a kernel, or a matrix with a delay for each sender or each synapse.

A spike of neuron j arrives l steps later with max(0, s_j - |l - (1 + d_j)|) / s_j^2. s_j is 1 + sigma,
or 1 + 2 * sigma * sigmoid(p_spread_j). With sigma 0 it arrives once. What would arrive at once, l = 0,
is lost, as in the scripts' ring.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F64
from delrec_compile.errors import CheckpointError, NetworkError, UnsupportedError, UsageError
from delrec_compile.interop.delrec.blocks import Block, values
from delrec_compile.network.model import ConvDelay, DenseDelay, Synapses, SynapticDelay
from delrec_compile.ops.checks import MAX_DELAY


def recurrences_of(
    block: Block, sigma: float, remarks: list[str]
) -> tuple[tuple[Synapses, ...], F64 | None]:
    """The recurrences of a block, none or more, and its constant current or None.

    Raises CheckpointError, UsageError, and UnsupportedError for a spread that networks do not have.
    """
    own, where, n = dict(block.recurrence), f"layers.{block.recurrence_at}", block.linear.outputs
    if not own:
        return (), None
    kernel, weight = own.get("recurrent_kernel"), own.get("recurrent_weights")
    if (kernel is None) == (weight is None):
        raise CheckpointError(f"{where}: one of recurrent_kernel and recurrent_weights is required")
    if not 0 <= sigma < np.inf:
        raise UsageError(f"sigma is {sigma}; a number from 0 is required")
    constant = values(where, own, "recurrent_bias", n)
    widths = _widths(sigma, values(where, own, "p_spread", n), n)
    try:
        if kernel is not None:
            delay = _delays(where, own, n, remarks)
            width = _width(where, widths)
            return (_kernel(where, kernel.ravel(), delay, width),), constant
        assert weight is not None
        return tuple(_matrices(where, weight, own, widths, remarks)), constant
    except NetworkError as error:
        raise CheckpointError(f"{where}: {error}") from error


def spread_remark(blocks: list[Block], sigma: float, tested: float) -> list[str]:
    """What the sigma of the import means beside that of the last test, if there is one."""
    delays = [b.recurrence.get("recurrent_delays") for b in blocks if b.recurrence]
    own = any("p_spread" in block.recurrence for block in blocks)
    if not own and not any(d is not None and d.any() for d in delays):
        return []
    trained = ", and with a width for each neuron (p_spread)" if own else ""
    once = ": each spike arrives once, which is another network" if not sigma else ""
    return [
        f"sigma {sigma:g}{once}; the script's last test has about {tested:g}{trained}, or 0 where its "
        "delays are fixed, which is not in the file; measure the accuracy again (-i)"
    ]


def _widths(sigma: float, spread: F64 | None, n: int) -> F64:
    """s of the formula, of each neuron."""
    if spread is None:
        return np.full(n, 1 + sigma)
    return np.asarray(1 + 2 * sigma / (1 + np.exp(-spread)))


def _width(where: str, widths: F64) -> float:
    """s of all neurons. Raises UnsupportedError if they have widths of their own."""
    if (widths != widths[0]).any():
        raise UnsupportedError(
            f"{where}.p_spread: each neuron has a spread of its own, and a kernel can have one here; "
            "sigma 0 lets each spike arrive once, which is another network"
        )
    return float(widths[0])


def _matrices(
    where: str, weight: F64, own: dict[str, F64], widths: F64, remarks: list[str]
) -> list[Synapses]:
    """The matrix; with a spread it is there once for each step that a spike reaches."""
    n = len(widths)
    tensor = own.get("recurrent_delays", np.zeros(n))
    synaptic = n > 1 and tensor.shape == (n, n)
    at = _whole(where, tensor, remarks) if synaptic else _delays(where, own, n, remarks)
    reach = int(np.ceil(widths.max())) - 1
    heads, delays = [], []
    for offset in range(-reach, reach + 1):
        shares = np.maximum(widths - abs(offset), 0) / widths**2
        kept = np.where(at + offset < 0, 0, shares)  # of the sender, which is the last axis
        heads.append((weight * kept).astype(np.float32))
        delays.append(np.maximum(at + offset, 0).astype(np.int32))
    if synaptic:
        return [SynapticDelay(w, d) for w, d in zip(heads, delays, strict=True)]
    if not reach:
        return [DenseDelay(heads[0], delays[0])]
    return [DenseDelay(np.stack(heads), np.stack(delays))]


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
