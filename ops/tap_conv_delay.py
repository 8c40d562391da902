"""Convolution over channels with delay taps: D delays that all neurons share, a kernel for each.

    I[o, x] = sum_d sum_c sum_k kernel[d, o, c, k] * line[delay[d], c, x + k - pad]

C_in channels of `width` neurons send, C_out receive; pad = (K - 1) / 2; outside a channel the line is
zero. `line[l]` is what was sent l steps before its newest step: forwards S(t - l), on a recurrent edge
S(t - 1 - l). A kernel (D, C, K) is depthwise: each channel has kernels of its own, and c = o.

A trained delay is a real number: where it stays one, it becomes two taps, `(1 - f)` of its kernel at
the step before and f of it at the step after. As many parameters as kernels and delays hold, counted
after the interpolation.

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


# hist (batch, depth, N), kernel (C_out, D * C_in / group, K), at (D * C_in * width,);
# map_shape: 0, D * C_in, width
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
    """kernel: (D, C, K), depthwise, or (D, C_out, C_in, K), K odd. delay: (D,), whole steps.

    width: neurons of a channel.
    """

    kernel: F32
    delay: NDArray[np.int32]
    width: int
    kind: ClassVar[str] = "tap_conv_delay"
    node: ClassVar[str] = "TapConvDelay"
    onnx: ClassVar[str] = ONNX

    def __post_init__(self) -> None:
        axes = ("D", "C", "K") if np.ndim(self.kernel) == 3 else ("D", "C_out", "C_in", "K")
        object.__setattr__(self, "kernel", checks.taps("kernel", self.kernel, axes))
        object.__setattr__(self, "delay", checks.vector_of_delays(self.delay))
        if len(self.delay) != len(self.kernel):
            raise NetworkError(
                f"there are {len(self.kernel)} kernels and {len(self.delay)} delays; one delay for each "
                "kernel is required"
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
    def _full(self) -> F32:
        """(D, C_out, C_in / groups, K)."""
        return self.kernel if self.kernel.ndim == 4 else self.kernel[:, :, None]

    @property
    def maps(self) -> Maps:
        _, to, come_from, taps = self._full.shape
        groups = 1 if self.kernel.ndim == 4 else to
        shape, pad = (to, come_from, 1, taps), (0, taps // 2)
        return Maps(come_from * groups, 1, self.width, shape, pad=pad, groups=groups)

    @property
    def lags(self) -> tuple[int, ...]:
        return tuple(self.delay.tolist())

    @property
    def kernels(self) -> list[F32]:
        return [kernel[:, :, None] for kernel in self._full]

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
        m, full = self.maps, self._full
        lags = np.repeat(self.delay[:, None], self.sources, axis=1)
        at = delay_line.gather_index(lags).reshape(len(lags), m.groups, -1)
        # group by group, the delays of a group one after another, as a grouped Conv takes them
        by_output = full.transpose(1, 0, 2, 3).reshape(len(full[0]), -1, full.shape[-1])
        return {
            "kernel": np.ascontiguousarray(by_output),
            "at": at.transpose(1, 0, 2).reshape(-1),
        }

    def node_attributes(self) -> dict[str, Any]:
        m = self.maps
        return {
            "pads": [m.pad[1], m.pad[1]],
            "map_shape": [0, m.channels * len(self.delay), self.width],
            "group": m.groups,
        }

    @classmethod
    def from_node(
        cls, constants: Sequence[NDArray[Any]], attributes: dict[str, Any], size: int
    ) -> TapConvDelay:
        kernel, at = constants
        group, width = attributes["group"], attributes["map_shape"][2]
        each = size // width // group  # channels that a group takes
        taps = kernel.reshape(len(kernel), -1, each, kernel.shape[-1]).transpose(1, 0, 2, 3)
        lags = at.reshape(group, len(taps), -1)[0, :, 0] // size
        depthwise = each == 1 and group == len(kernel)
        return cls(taps[:, :, 0] if depthwise else taps, lags, width)

    @classmethod
    def outputs_of(
        cls, shapes: Sequence[Sequence[int]], attributes: dict[str, Any], sources: int
    ) -> int:
        return int(shapes[0][0]) * int(attributes["map_shape"][2])

    def torch_form(self, hist: torch.Tensor, *constants: torch.Tensor) -> torch.Tensor:
        """constants: kernel (C_out, D * C_in / groups, K); at (D * C_in * width,), int64."""
        import torch

        kernel, at = constants
        m = self.maps
        g = delay_line.torch_form(hist, at).view(-1, m.channels * len(self.delay), self.width)
        mixed = torch.nn.functional.conv1d(g, kernel, padding=m.pad[1], groups=m.groups)
        return mixed.flatten(1)
