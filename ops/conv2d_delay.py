"""Convolutional recurrence over maps of two axes, with a kernel for each of the last D steps.

    I[o](t) = sum_{d = 1..D} sum_c kernel[d - 1, o, c] (2-D convolution) S[c](t - d)

N = C * height * width neurons, kernels of k x k taps between all channels, k odd, zero padding of
(k - 1) / 2. D * C * C * k * k parameters; the delays are fixed.

Source: a description of arXiv 2604.15997 on maps [T, B, C, H, W].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.ops import checks
from delrec_compile.ops.map_delay import MapDelay
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.synapses import Arrays

if TYPE_CHECKING:
    import torch


# hist (batch, D, N), kernel (C, D * C, k, k); map_shape: 0, D * C, height, width
ONNX = """
<domain: "ai.delrec", opset_import: ["" : 18]>
Conv2dDelay <pads, map_shape> (hist, kernel) => (current)
{
    shape = Constant <value_ints: ints = @map_shape> ()
    flat_shape = Constant <value: tensor = int64[2] {0, -1}> ()
    map = Reshape (hist, shape)
    mixed = Conv <pads: ints = @pads> (map, kernel)
    current = Reshape (mixed, flat_shape)
}
"""


@dataclass(frozen=True, eq=False)
class Conv2dDelay(MapDelay):
    """kernel: (D, C, C, k, k) [delay, to, from], k odd. height, width: of a map."""

    kernel: F32
    height: int
    width: int
    kind: ClassVar[str] = "conv2d_delay"
    node: ClassVar[str] = "Conv2dDelay"
    onnx: ClassVar[str] = ONNX

    def __post_init__(self) -> None:
        axes = ("D", "C", "C", "k", "k")
        object.__setattr__(self, "kernel", checks.taps("kernel", self.kernel, axes))
        _, to, come_from, rows, columns = self.kernel.shape
        if to != come_from or rows != columns:
            raise NetworkError(
                f"kernel has shape {list(self.kernel.shape)}; [D, C, C, k, k] is required"
            )
        checks.lag("kernel", len(self.kernel) - 1)
        for name in ("height", "width"):
            checks.count(name, getattr(self, name))

    @property
    def maps(self) -> Maps:
        shape: Any = self.kernel.shape[1:]
        pad = shape[2] // 2
        return Maps(shape[0], self.height, self.width, shape, pad=(pad, pad))

    @property
    def lags(self) -> tuple[int, ...]:
        return tuple(range(len(self.kernel)))

    @property
    def kernels(self) -> list[F32]:
        return list(self.kernel)

    @property
    def parameters(self) -> int:
        return self.kernel.size

    @property
    def weights(self) -> dict[str, F32]:
        return {"kernel": self.kernel}

    def arrays(self) -> Arrays:
        return {"kernel": self.kernel}

    def attributes(self) -> dict[str, Any]:
        return {"height": self.height, "width": self.width}

    def constants(self) -> Arrays:
        channels, taps = self.kernel.shape[1], self.kernel.shape[3]
        by_output = self.kernel.transpose(1, 0, 2, 3, 4)
        return {"kernel": np.ascontiguousarray(by_output).reshape(channels, -1, taps, taps)}

    def node_attributes(self) -> dict[str, Any]:
        depth, channels, _, taps, _ = self.kernel.shape
        return {
            "pads": [taps // 2] * 4,
            "map_shape": [0, depth * channels, self.height, self.width],
        }

    @classmethod
    def from_node(
        cls, constants: Sequence[NDArray[Any]], attributes: dict[str, Any], size: int
    ) -> Conv2dDelay:
        (kernel,) = constants
        channels, _, rows, columns = kernel.shape
        taps = kernel.reshape(channels, -1, channels, rows, columns).transpose(1, 0, 2, 3, 4)
        return cls(taps, *attributes["map_shape"][2:])

    def torch_form(self, hist: torch.Tensor, *constants: torch.Tensor) -> torch.Tensor:
        """constants: kernel (C, D * C, k, k)."""
        import torch

        (kernel,) = constants
        past = hist.reshape(len(hist), -1, self.height, self.width)
        pad = kernel.shape[2] // 2
        return torch.nn.functional.conv2d(past, kernel, padding=pad).flatten(1)
