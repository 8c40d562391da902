"""Convolutional recurrence with delay taps: D delays shared by all neurons, a kernel for each.

    I[c, x](t) = sum_d sum_k kernel[d, c, k] * S[c, x + k - pad](t - 1 - delay[d])

N = C * width neurons in C channels, each channel with kernels of its own; pad = (K - 1) / 2; outside
the channel a spike is zero. A trained delay is a real number: where it stays one, it becomes two
taps, `(1 - f)` of its kernel at the step before and f of it at the step after. C * K * D + D
parameters, counted after the interpolation.

Source: a description of arXiv 2604.15997 with linear interpolation between whole delays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.ops import checks, delay_line
from delrec_compile.ops.map_delay import MapDelay
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.synapses import Arrays

if TYPE_CHECKING:
    import torch


# hist (batch, depth, N), kernel (C, D, K), at (C * D * width,); map_shape: 0, C * D, width
ONNX = """
<domain: "ai.delrec", opset_import: ["" : 18, "ai.delrec" : 1]>
TapConvDelay <pads, map_shape, group> (hist, kernel, at) => (current)
{
    g = ai.delrec.DelayRead (hist, at)
    shape = Constant <value_ints: ints = @map_shape> ()
    flat_shape = Constant <value: tensor = int64[2] {0, -1}> ()
    map = Reshape (g, shape)
    mixed = Conv <pads: ints = @pads, group: int = @group> (map, kernel)
    current = Reshape (mixed, flat_shape)
}
"""


@dataclass(frozen=True, eq=False)
class TapConvDelay(MapDelay):
    """kernel: (D, C, K), K odd. delay: (D,) whole steps. width: neurons of a channel."""

    kernel: F32
    delay: NDArray[np.int32]
    width: int
    kind: ClassVar[str] = "tap_conv_delay"
    node: ClassVar[str] = "TapConvDelay"
    onnx: ClassVar[str] = ONNX

    def __post_init__(self) -> None:
        object.__setattr__(self, "kernel", checks.taps("kernel", self.kernel, ("D", "C", "K")))
        object.__setattr__(self, "delay", checks.vector_of_delays(self.delay))
        if len(self.delay) != len(self.kernel):
            raise NetworkError(
                f"the recurrence has {len(self.kernel)} kernels and {len(self.delay)} delays"
            )
        if len(set(self.delay.tolist())) < len(self.delay):
            raise NetworkError("two taps have the same delay; add up their kernels")
        checks.count("width", self.width)

    @classmethod
    def interpolated(
        cls, kernel: F32, delay: NDArray[np.floating[Any]], width: int
    ) -> TapConvDelay:
        """From real delays: each becomes the two taps around it; taps that coincide are added."""
        taps: dict[int, F32] = {}
        for own, real in zip(kernel, np.asarray(delay, np.float64).tolist(), strict=True):
            before = int(np.floor(real))
            for at, share in ((before, 1 - (real - before)), (before + 1, real - before)):
                if share:
                    part = np.asarray(own * share, np.float32)
                    taps[at] = taps[at] + part if at in taps else part
        lags = sorted(taps)
        return cls(np.stack([taps[lag] for lag in lags]), np.array(lags, np.int32), width)

    @property
    def maps(self) -> Maps:
        _, channels, taps = self.kernel.shape
        shape = (channels, 1, 1, taps)
        return Maps(channels, 1, self.width, shape, pad=(0, taps // 2), groups=channels)

    @property
    def lags(self) -> tuple[int, ...]:
        return tuple(self.delay.tolist())

    @property
    def kernels(self) -> list[F32]:
        return [kernel[:, None, None] for kernel in self.kernel]

    @property
    def parameters(self) -> int:
        return self.kernel.size + self.delay.size

    @property
    def weights(self) -> dict[str, F32]:
        return {"kernel": self.kernel}

    def arrays(self) -> Arrays:
        return {"kernel": self.kernel, "delay": self.delay}

    def attributes(self) -> dict[str, Any]:
        return {"width": self.width}

    def constants(self) -> Arrays:
        lags = np.repeat(self.delay[:, None], self.size, axis=1)
        at = delay_line.gather_index(lags).reshape(len(self.delay), -1, self.width)
        # channel by channel, the delays of a channel interleaved, as a grouped Conv takes them
        return {
            "kernel": np.ascontiguousarray(self.kernel.transpose(1, 0, 2)),
            "at": at.transpose(1, 0, 2).reshape(-1),
        }

    def node_attributes(self) -> dict[str, Any]:
        taps, channels, width = self.kernel.shape
        pad = width // 2
        return {
            "pads": [pad, pad],
            "map_shape": [0, channels * taps, self.width],
            "group": channels,
        }

    @classmethod
    def from_node(
        cls, constants: Sequence[NDArray[Any]], attributes: dict[str, Any], size: int
    ) -> TapConvDelay:
        kernel, at = constants
        channels, taps, _ = kernel.shape
        lags = at.reshape(channels, taps, -1)[0, :, 0] // size
        return cls(kernel.transpose(1, 0, 2), lags, size // channels)

    def torch_form(self, hist: torch.Tensor, *constants: torch.Tensor) -> torch.Tensor:
        """constants: kernel (C, D, K); at (C * D * width,), int64."""
        import torch

        kernel, at = constants
        channels, taps, pad = len(kernel), kernel.shape[1], kernel.shape[2] // 2
        g = delay_line.torch_form(hist, at).view(-1, channels * taps, self.width)
        return torch.nn.functional.conv1d(g, kernel, padding=pad, groups=channels).flatten(1)
