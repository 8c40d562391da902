"""Learned delays of what comes into a layer: the samples as whole series, delayed at once.

    axonal     g[m, j](t) = sum_l share[m, j, l] * x[j](t - l), then a product or a convolution
    synaptic   I[i](t) = sum_j weight[i, j] * sum_l share[i, j, l] * x[j](t - l)

A delay of 0 arrives in the same step. `share` is that of `delay_lines.spread`, one lag earlier.
Sources: DelRec, arXiv 2509.24852; DCLS, arXiv 2306.17670.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from delrec_compile.training.config import TrainConfig
from delrec_compile.training.product import product
from delrec_compile.training.timed import Timed

STEPS = 128  # steps that one product delays


class ForwardDelay(Timed):
    """Delays of a map: (M, N_in) for each head and sending neuron, or (N_out, N_in) for each weight."""

    def __init__(self, config: TrainConfig, shape: tuple[int, int], *, synaptic: bool) -> None:
        delay = torch.empty(shape).uniform_(0, config.forward_delay)
        super().__init__(config, delay, config.forward_delay)
        self.synaptic, self.rounds_delays = synaptic, True

    def lags(self) -> Tensor:
        """Share (.., .., L) of a value that arrives l steps later."""
        return self.shares()[..., 1:]


def make(
    config: TrainConfig, inputs: int, size: int, *, first: bool, maps: bool = False
) -> ForwardDelay | None:
    """Delays of what comes into a layer, or None.

    first: whether the inputs do. maps: whether it is a convolution.
    """
    where = "inputs" if first else "hidden"
    fits = (config.forward == "channel_conv_delay") == maps
    if config.forward == "none" or not fits or config.forward_layers not in ("all", where):
        return None
    if config.forward == "synaptic_delay":
        return ForwardDelay(config, (size, inputs), synaptic=True)
    return ForwardDelay(config, (config.forward_heads, inputs), synaptic=False)


def axonal(x: Tensor, lags: Tensor) -> Tensor:
    """Delayed values (T, M * N, B) of x (T, N, B), head after head. lags: (M, N, L)."""
    heads, n, slots = lags.shape
    steps, _, batch = x.shape
    span = min(steps, STEPS)
    late = functional.pad(x.transpose(0, 1), (0, 0, slots - 1, 0))  # (N, L - 1 + T, B)
    # row t of a neuron's band holds its shares of the steps t - L + 1 to t
    padded = functional.pad(lags.flip(-1), (span - 1, span - 1))
    band = padded.unfold(-1, span + slots - 1, 1).flip(-2).transpose(0, 1)  # (N, M, span, ..)
    parts = []
    for t in range(0, steps, span):
        here = min(span, steps - t)
        rows = band[:, :, :here, : here + slots - 1].reshape(n, heads * here, -1)
        parts.append(torch.bmm(rows, late[:, t : t + here + slots - 1]).view(n, heads, here, batch))
    return torch.cat(parts, 2).permute(2, 1, 0, 3).reshape(steps, heads * n, batch)


def synaptic(x: Tensor, weight: Tensor, lags: Tensor) -> Tensor:
    """Current (T, N_out, B) of x (T, N_in, B). weight: (N_out, N_in). lags: (N_out, N_in, L)."""
    used = int(lags.detach().flatten(0, 1).any(0).nonzero().max()) + 1
    kernel = (weight[:, :, None] * lags[:, :, :used]).flip(-1)
    late = functional.pad(x.permute(2, 1, 0), (used - 1, 0))
    return functional.conv1d(late, kernel).permute(2, 1, 0).contiguous()


def arriving(x: Tensor, weight: Tensor, bias: Tensor | None, delay: ForwardDelay | None) -> Tensor:
    """Current (T, N_out, B) of x (T, N_in, B), through its delays if it has any."""
    if delay is not None and delay.synaptic:
        current = synaptic(x, weight, delay.lags())
        return current if bias is None else current + bias[:, None]
    return product(x if delay is None else axonal(x, delay.lags()), weight, bias)
