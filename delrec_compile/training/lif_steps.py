"""Steps of a layer of LIF neurons, forwards and backwards, in two forms of the same bits.

`TorchSteps` is the meaning: the formulas of `neuron.Neuron`. `NativeSteps` is its form in C, for the
surrogate `atan`: one pass over the values in place of ten.
"""

from __future__ import annotations

import ctypes
import math
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from delrec_compile.training import native

if TYPE_CHECKING:
    from delrec_compile.training.neuron import Neuron


class LifSteps(Protocol):
    """Steps from the first one on, or back from the last one. All values: (N, B)."""

    def forward(self, x: Tensor, current: Tensor | None, h: Tensor, y: Tensor) -> None:
        """Fills in the membrane h and the spikes y of the drive x and of what the recurrence brings."""

    def backward(self, h: Tensor, y: Tensor, d_y: Tensor, sent: Tensor | None, d_h: Tensor) -> None:
        """Fills in dL/dh, of dL/dy from the layers above and from what y sends to the recurrence."""


def steps_of(neuron: Neuron, alpha: float, like: Tensor) -> LifSteps:
    """The fastest form for neurons of the shape and type of `like` (N, B)."""
    if neuron.surrogate == "atan" and native.takes(like):
        return NativeSteps(neuron, alpha, like)
    return TorchSteps(neuron, alpha, like)


class TorchSteps:
    """`LifSteps` of any type, device and surrogate."""

    def __init__(self, neuron: Neuron, alpha: float, like: Tensor) -> None:
        self.neuron, self.alpha = neuron, alpha
        self.v = self.later = torch.zeros_like(like)

    def forward(self, x: Tensor, current: Tensor | None, h: Tensor, y: Tensor) -> None:
        neuron = self.neuron
        neuron.integrate(x if neuron.gain == 1 else x * neuron.gain, self.v, out=h)
        if current is not None:
            h.add_(current, alpha=neuron.gain)
        neuron.spikes(h, out=y)
        self.v = neuron.reset_membrane(h, y)

    def backward(self, h: Tensor, y: Tensor, d_y: Tensor, sent: Tensor | None, d_h: Tensor) -> None:
        neuron, later = self.neuron, self.later
        if sent is not None:
            d_y = torch.add(d_y, sent, alpha=neuron.backflow)
        torch.mul(d_y, neuron.slope(h, self.alpha), out=d_h)
        kept = torch.addcmul(later, later, y, value=-1) if neuron.reset == "hard" else later
        if isinstance(neuron.beta, Tensor):
            d_h.addcmul_(kept, neuron.beta)
        else:
            d_h.add_(kept, alpha=neuron.beta)
        self.later = d_h


RESETS = ("hard", "soft", "soft_later")  # as numbered in steps.c


class _Constants(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("neurons", "batch")),
        ("beta", ctypes.c_void_p),
        *(
            (n, ctypes.c_float)
            for n in ("threshold", "v_reset", "gain", "backflow", "steep", "half")
        ),
        *((name, ctypes.c_int32) for name in ("above", "reset")),
    )


class NativeSteps:
    """`LifSteps` in C."""

    def __init__(self, neuron: Neuron, alpha: float, like: Tensor) -> None:
        beta = torch.as_tensor(neuron.beta, dtype=like.dtype).detach()
        self.beta = beta.reshape(-1).expand(len(like)).contiguous()  # read by its address
        self.v = self.later = torch.zeros_like(like)
        own = (neuron.threshold, neuron.v_reset, neuron.gain, neuron.backflow)
        slope = (math.pi / 2 * alpha, alpha / 2)
        kinds = (neuron.fires == "above", RESETS.index(neuron.reset))
        constants = _Constants(*like.shape, self.beta.data_ptr(), *own, *slope, *kinds)
        self.constants: Any = ctypes.byref(constants)

    def forward(self, x: Tensor, current: Tensor | None, h: Tensor, y: Tensor) -> None:
        current = None if current is None else current.contiguous()
        native.call("lif_forward", self.constants, x, current, self.v, h, y)

    def backward(self, h: Tensor, y: Tensor, d_y: Tensor, sent: Tensor | None, d_h: Tensor) -> None:
        sent = None if sent is None else sent.contiguous()
        native.call("lif_backward", self.constants, h, y, d_y, sent, self.later, d_h)
        self.later = d_h
