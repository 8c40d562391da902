"""Delay lines of recurrences whose delays all neurons share: convolutions over recent spikes.

    current[c](t) = sum_l sum_b E[c, b, l] * y[b](t - l)     * over the places of the maps

`E[c, b, l]` is the kernel of each delay, weighted by the share of a spike that arrives l steps later.
It is linear in kernels and shares, so autograd takes its gradient further. One product over the
last L steps takes the place of the arrivals of each delay.
"""

from __future__ import annotations

import torch
from torch import Tensor

Place = tuple[slice, ...]  # channels, rows, columns


class Lags:
    """Kernels over maps and over the last steps, as one matrix for each group of channels.

    kernels: (groups, outputs, rows, columns, L, inputs), the oldest step first; channels of a group
    see each other. shape: C, height, width, C = groups * outputs = groups * inputs.
    """

    def __init__(self, kernels: Tensor, shape: tuple[int, int, int]) -> None:
        self.groups, self.outputs, rows, columns, self.steps, self.inputs = kernels.shape
        self.shape, self.taps, self.kernels = shape, rows * columns, kernels.shape
        self.matrix = kernels.reshape(self.groups, self.outputs * self.taps, -1)
        down, right = _shifts(rows, shape[1]), _shifts(columns, shape[2])
        every = slice(None)
        # (to, from) of each tap: the places whose neighbour lies on the map, and that neighbour
        self.places: list[tuple[Place, Place]] = [
            ((every, y[0], x[0]), (every, y[1], x[1])) for y in down for x in right
        ]

    def record(self, like: Tensor) -> Tensor:
        """Zeros (groups, L + T, inputs, places * B): L steps before `like` (T, N, B), and its T."""
        batch = like.shape[2] * self.shape[1] * self.shape[2]
        return like.new_zeros(self.groups, self.steps + len(like), self.inputs, batch)

    def before(self, record: Tensor, t: int) -> Tensor:
        """The L steps of a record before t, as rows of the matrix: a view."""
        return record[:, t : t + self.steps].flatten(1, 2)

    def at(self, record: Tensor, t: int) -> Tensor:
        """Step t of a record: (groups, inputs, places * B), a view."""
        return record[:, t + self.steps]


def _shifts(taps: int, length: int) -> list[tuple[slice, slice]]:
    """Slices (to, from) along one axis, for each tap."""
    out = []
    for offset in range(-(taps // 2), taps - taps // 2):
        inside = max(0, length - abs(offset))
        to, come_from = max(0, -offset), max(0, offset)
        out.append((slice(to, to + inside), slice(come_from, come_from + inside)))
    return out


class TapLine:
    """Spikes that every neuron has sent, and the currents that they cause."""

    def __init__(self, lags: Lags, like: Tensor) -> None:
        self.lags, self.sent = lags, lags.record(like)
        self.currents = like.new_empty(*lags.shape, like.shape[2])

    @property
    def record(self) -> tuple[Tensor, ...]:
        """Tensors that the backward pass needs."""
        return (self.sent,)

    def current(self, t: int) -> Tensor:
        """Recurrent current (N, B) at t."""
        lags, out = self.lags, self.currents
        mixed = torch.bmm(lags.matrix, lags.before(self.sent, t)).view(
            -1, lags.taps, *out.shape[1:]
        )
        out.zero_()
        for tap, (to, come_from) in enumerate(lags.places):
            out[to].add_(mixed[:, tap][come_from])
        return out.flatten(0, 2)

    def send(self, t: int, y: Tensor) -> None:
        here = self.lags.at(self.sent, t)
        here.copy_(y.view(here.shape))


class TapReverse:
    """The line run backwards; step t of `back` holds dL/dy(t) once all later steps were received."""

    def __init__(self, lags: Lags, like: Tensor, record: tuple[Tensor, ...]) -> None:
        self.lags, (self.sent,) = lags, record
        self.back = lags.record(like)
        channels, *places = lags.shape
        self.moved = like.new_zeros(channels, lags.taps, *places, like.shape[2])
        self.gradient = torch.zeros_like(lags.matrix)

    def spike_gradient(self, t: int) -> Tensor:
        """dL/dy(t) (N, B) from the steps at which y(t) arrives."""
        return self.lags.at(self.back, t).reshape(-1, self.moved.shape[-1])

    def receive(self, t: int, drive: Tensor) -> None:
        lags = self.lags
        maps = drive.view(*lags.shape, -1)
        for tap, (to, come_from) in enumerate(lags.places):
            self.moved[:, tap][come_from] = maps[to]
        moved = self.moved.view(*lags.matrix.shape[:2], -1)
        self.gradient.baddbmm_(moved, lags.before(self.sent, t).transpose(1, 2))
        lags.before(self.back, t).baddbmm_(lags.matrix.transpose(1, 2), moved)

    def gradients(self, drive: Tensor, wants_mask: bool) -> tuple[Tensor, None]:
        """dL/dkernels; the shares are part of the kernels."""
        return self.gradient.view(self.lags.kernels), None
