"""A layer of neurons over all steps, with its delayed recurrence: backpropagation written out.

    y(t) = spikes of dynamics.step(x(t) + mix(g(t)), ..)   g: what arrives of the layer's own spikes

For the models of `dynamics`; that of `neuron` is written out for `lif` alone, which is faster.
`ring_buffer` is the same in the published order of the delays, under plain autograd.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from delrec_compile.training.delay_lines import Mix
from delrec_compile.training.dynamics import Before, Constants, Dynamics


def unrolled(
    x: Tensor,
    dynamics: Dynamics,
    constants: Constants,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    mix: Mix | None = None,
    alpha: float = 5.0,
) -> Tensor:
    """Spikes (T, N, B) of currents x (T, N, B). weight, mask, mix: see `neuron.delayed_lif`.

    Gradients flow to x, the constants, weight and mask.
    """
    if weight is not None and mask is not None and mix is not None:
        weight, mask = mix.joined(weight, mask)
    own = [constants[name] for name in dynamics.names]
    spikes: Tensor = _Unrolled.apply(x, weight, mask, dynamics, mix, alpha, *own)  # type: ignore[no-untyped-call]
    return spikes


def ring_buffer(
    x: Tensor,
    dynamics: Dynamics,
    constants: Constants,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    mix: Mix | None = None,
    alpha: float = 5.0,
) -> Tensor:
    """`unrolled` in the published order, under autograd: slow, the reference of its gradients."""
    slots = 1 if mask is None else mask.shape[2]
    ring = [torch.zeros_like(x[0]) for _ in range(slots)]
    silence = torch.zeros_like(x[0])
    at, spikes = Before(silence, silence, silence), []
    for t, drive in enumerate(x):
        m, z = dynamics.step(drive + ring[t % slots], at, constants)
        y: Tensor = _Spike.apply(m - dynamics.level(z, constants), m, z, constants, dynamics, alpha)  # type: ignore[no-untyped-call]
        at = Before(m, z, y)
        spikes.append(y)
        if weight is not None and mask is not None and mix is not None:
            ring[t % slots] = torch.zeros_like(m)
            sent = y.detach() + dynamics.backflow * (y - y.detach())
            for slot in range(1, slots):
                place = (t + slot) % slots
                share = sent[:, None] * mask[:, :, slot, None]
                ring[place] = ring[place] + mix.forward(weight, share)
    return torch.stack(spikes)


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        over: Tensor,
        m: Tensor,
        z: Tensor,
        constants: Constants,
        dynamics: Dynamics,
        alpha: float,
    ) -> Tensor:
        ctx.save_for_backward(over)
        ctx.dynamics, ctx.alpha = dynamics, alpha
        return dynamics.spikes(m, dynamics.level(z, constants))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (over,) = ctx.saved_tensors
        return gradient * ctx.dynamics.slope(over, ctx.alpha), None, None, None, None, None


class _Unrolled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        mask: Tensor | None,
        dynamics: Dynamics,
        mix: Mix | None,
        alpha: float,
        *own: Tensor,
    ) -> Tensor:
        c = dict(zip(dynamics.names, own, strict=True))
        line = None if weight is None or mix is None else mix.line(weight, mask, x)
        # row t of each holds the state before step t
        ms, zs, ys = (x.new_zeros(len(x) + 1, *x.shape[1:]) for _ in range(3))
        currents = torch.empty_like(x) if line else x
        for t in range(len(x)):
            current = x[t]
            if line:
                current = torch.add(current, line.current(t), out=currents[t])
            m, z = dynamics.step(current, Before(ms[t], zs[t], ys[t]), c)
            ms[t + 1], zs[t + 1] = m, z
            y = ys[t + 1] = dynamics.spikes(m, dynamics.level(z, c))
            if line:
                line.send(t, y)
        record = line.record if line else ()
        ctx.save_for_backward(weight, mask, currents, ms, zs, ys, *own, *record)
        ctx.dynamics, ctx.mix, ctx.alpha = dynamics, mix, alpha
        return ys[1:]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weight, mask, currents, ms, zs, ys, *rest = ctx.saved_tensors
        dynamics = ctx.dynamics
        own, record = rest[: len(dynamics.names)], tuple(rest[len(dynamics.names) :])
        c = dict(zip(dynamics.names, own, strict=True))
        line = ctx.mix.reverse(weight, mask, currents, record) if record else None
        drive, dms, dzs, overs = (torch.zeros_like(currents) for _ in range(4))
        dm, dz, dy = (torch.zeros_like(currents[0]) for _ in range(3))
        for t in reversed(range(len(drive))):
            slope = dynamics.slope(ms[t + 1] - dynamics.level(zs[t + 1], c), ctx.alpha)
            own_y = gradient[t] + dy
            if line:
                own_y = torch.add(own_y, line.spike_gradient(t), alpha=dynamics.backflow)
            over = overs[t] = own_y * slope
            raised = dynamics.level_gradient(over)
            dms[t] = dm = dm + over
            dzs[t] = dz
            dz = dz if raised is None else dz + raised
            drive[t], dm, dz, sent = dynamics.back(dm, dz, dynamics.stays(ys[t]), c)
            dy = dy.zero_() if sent is None else sent
            if line:
                line.receive(t, drive[t])
        d_weight = d_mask = None
        if line:
            d_weight, d_mask = line.gradients(drive, ctx.needs_input_grad[2])
        before = Before(ms[:-1], zs[:-1], ys[:-1])
        d_own = _constant_gradients(ctx, currents, before, c, (dms, dzs, overs))
        return drive, d_weight, d_mask, None, None, None, *d_own


def _constant_gradients(
    ctx: Any, currents: Tensor, before: Before, c: Constants, after: tuple[Tensor, Tensor, Tensor]
) -> list[Tensor | None]:
    """dL/dconstant of those that want it, over all steps at once.

    after: dL/dm, dL/dz but through m and the level of its own step, and dL/d(m - level).
    """
    wanted = [n for n, w in zip(c, ctx.needs_input_grad[6:], strict=True) if w]
    if not wanted:
        return [None] * len(c)
    with torch.enable_grad():
        leaves = {name: value.detach().requires_grad_(name in wanted) for name, value in c.items()}
        m, z = ctx.dynamics.step(currents, before, leaves)
        level = ctx.dynamics.level(z, leaves)
        dms, dzs, overs = after
        total = (m * dms).sum() + (z * dzs).sum() - (level * overs).sum()
        found = torch.autograd.grad(total, [leaves[n] for n in wanted], allow_unused=True)
    gradients = dict(zip(wanted, found, strict=True))
    return [gradients.get(name) for name in c]
