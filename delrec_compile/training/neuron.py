"""The trainable delayed LIF layer, and the published loop that it must equal.

    h(t) = beta * v(t - 1) + gain * (x(t) + mix(g(t)))   g: what arrives of the layer's own spikes
    y(t) = h(t) >= threshold,   v(t): `delrec_compile.ops.lif`

`delayed_lif` is backpropagation through time written out, with the delay line first and the
mixing once (see `delay_lines`); `ring_buffer_lif` is the published order under
plain autograd. No reset passes a gradient.

`surrogate`, of steepness `alpha`, stands for the derivative of a spike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from delrec_compile.training.delay_lines import Mix
from delrec_compile.training.lif_steps import steps_of
from delrec_compile.training.surrogate import SURROGATES


@dataclass(frozen=True)
class Neuron:
    """Constants as in `ops.lif.Lif`, one number per layer; a learned beta is (N, 1)."""

    beta: float | Tensor
    threshold: float = 1.0
    v_reset: float = 0.0
    gain: float = 1.0
    fires: str = "at"
    reset: str = "hard"
    surrogate: str = "atan"
    backflow: float = 1.0  # share of the gradient that a spike gets back through the recurrence

    def slope(self, h: Tensor, alpha: float) -> Tensor:
        """Surrogate derivative of a spike at the membrane h."""
        return SURROGATES[self.surrogate](h - self.threshold, alpha)

    def spikes(self, h: Tensor, out: Tensor | None = None) -> Tensor:
        """Spikes of the membrane h, 0 or 1 in its type."""
        over = torch.gt if self.fires == "above" else torch.ge
        return over(h, self.threshold, out=torch.empty_like(h) if out is None else out)

    def integrate(self, drive: Tensor, v: Tensor, out: Tensor | None = None) -> Tensor:
        """drive + beta * v, minus the threshold where a late soft reset is due."""
        if isinstance(self.beta, Tensor):
            h = torch.addcmul(drive, v, self.beta, out=out)
        else:
            h = torch.add(drive, v, alpha=self.beta, out=out)
        if self.reset == "soft_later":
            h = torch.sub(h, self.spikes(v.detach()), alpha=self.threshold, out=out)
        return h

    def reset_membrane(self, h: Tensor, y: Tensor) -> Tensor:
        """Membrane after the spikes y, which carry no gradient."""
        if self.reset == "soft_later":
            return h
        if self.reset == "soft":
            return torch.sub(h, y, alpha=self.threshold)
        silent = torch.addcmul(h, h, y, value=-1)
        return silent if self.v_reset == 0 else torch.add(silent, y, alpha=self.v_reset)


def delayed_lif(
    x: Tensor,
    neuron: Neuron,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    mix: Mix | None = None,
    alpha: float = 5.0,
) -> Tensor:
    """Spikes (T, N, B) of drives x (T, N, B).

    weight: weight of the mix, or None without recurrence. mask: (N, M, L) from `spread`, equal for all
    neurons where the mix shares its delays; slot 0 is never read. Gradients flow to x, weight, mask
    and a beta that is a tensor.
    """
    beta = neuron.beta if isinstance(neuron.beta, Tensor) else None
    if weight is not None and mask is not None and mix is not None:
        weight, mask = mix.joined(weight, mask)
    spikes: Tensor = _DelayedLif.apply(x, weight, mask, beta, neuron, mix, alpha)  # type: ignore[no-untyped-call]
    return spikes


def ring_buffer_lif(
    x: Tensor,
    neuron: Neuron,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    mix: Mix | None = None,
    alpha: float = 5.0,
) -> Tensor:
    """`delayed_lif` in the published order, under autograd: slow, the reference of its gradients."""
    slots = 1 if mask is None else mask.shape[2]
    ring = [torch.zeros_like(x[0]) for _ in range(slots)]
    v, spikes = torch.zeros_like(x[0]), []
    for t, drive in enumerate(x):
        h = neuron.integrate(neuron.gain * (drive + ring[t % slots]), v)
        y: Tensor = _Spike.apply(h, neuron, alpha)  # type: ignore[no-untyped-call]
        v = neuron.reset_membrane(h, y.detach())
        spikes.append(y)
        if weight is not None and mask is not None and mix is not None:
            ring[t % slots] = torch.zeros_like(h)
            sent = y.detach() + neuron.backflow * (y - y.detach())
            for slot in range(1, slots):
                share = sent[:, None] * mask[:, :, slot, None]
                at = (t + slot) % slots
                ring[at] = ring[at] + mix.forward(weight, share)
    return torch.stack(spikes)


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, neuron: Neuron, alpha: float) -> Tensor:
        ctx.save_for_backward(h)
        ctx.neuron, ctx.alpha = neuron, alpha
        return neuron.spikes(h)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (h,) = ctx.saved_tensors
        return gradient * ctx.neuron.slope(h, ctx.alpha), None, None


class _DelayedLif(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        mask: Tensor | None,
        beta: Tensor | None,
        neuron: Neuron,
        mix: Mix | None,
        alpha: float,
    ) -> Tensor:
        line = None
        if weight is not None and mix is not None:
            line = mix.line(weight, mask, x)
        membrane, spikes = torch.empty_like(x), torch.empty_like(x)
        steps = steps_of(neuron, alpha, x[0])
        for t, (drive, h, y) in enumerate(zip(x, membrane, spikes, strict=True)):
            steps.forward(drive, line.current(t) if line else None, h, y)
            if line:
                line.send(t, y)
        record = line.record if line else ()
        ctx.save_for_backward(weight, mask, beta, membrane, spikes, *record)
        ctx.neuron, ctx.mix, ctx.alpha = neuron, mix, alpha
        return spikes

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weight, mask, beta, membrane, spikes, *record = ctx.saved_tensors
        neuron, gain = ctx.neuron, ctx.neuron.gain
        line = ctx.mix.reverse(weight, mask, membrane, tuple(record)) if record else None
        drive, steps = torch.empty_like(membrane), steps_of(neuron, ctx.alpha, membrane[0])
        each = list(enumerate(zip(membrane, spikes, gradient.contiguous(), drive, strict=True)))
        for t, (h, y, dy, dh) in reversed(each):
            steps.backward(h, y, dy, line.spike_gradient(t) if line else None, dh)
            if line:
                line.receive(t, dh if gain == 1 else dh * gain)
        d_beta = None
        if beta is not None and ctx.needs_input_grad[3]:
            before = neuron.reset_membrane(membrane[:-1], spikes[:-1])
            d_beta = (drive[1:] * before).sum((0, 2)).view(-1, 1).sum_to_size(beta.shape)
        if gain != 1:
            drive = drive * gain
        d_weight = d_mask = None
        if line:
            d_weight, d_mask = line.gradients(drive, ctx.needs_input_grad[2])
        return drive, d_weight, d_mask, d_beta, None, None, None
