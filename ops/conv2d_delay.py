"""Convolution over maps of two axes, with a kernel for each of the last D steps.

    I[o] = sum_{d = 0 .. D - 1} sum_c kernel[d, o, c] (2-D convolution) line[d, c]

`line[d]` is what was sent d steps before the newest step of the line: forwards S(t - d), on a recurrent
edge S(t - 1 - d). C_in maps of height * width neurons send; every place of the C_out output maps is a
neuron that receives. Kernels of odd size have the zero padding (k - 1) / 2 where no other is given,
and with a stride of 1 leave the size of the maps. As many parameters as the kernel holds; the delays are
fixed.

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
from delrec_compile.ops.map_delay import MapDelay, placed, unusual
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.synapses import Arrays
from delrec_compile.ops.window import Size

if TYPE_CHECKING:
    import torch


# hist (batch, D, N), kernel (C_out, D * C_in, k, k); map_shape: 0, D * C_in, height, width
ONNX = """
<domain: "ai.delrec", opset_import: ["" : 18]>
Conv2dDelay <pads, strides, map_shape> (hist, kernel) => (current)
{
    shape = Constant <value_ints: ints = @map_shape> ()
    flat_shape = Constant <value: tensor = int64[2] {0, -1}> ()
    map = Reshape (hist, shape)
    mixed = Conv <pads: ints = @pads, strides: ints = @strides> (map, kernel)
    current = Reshape (mixed, flat_shape)
}
"""


@dataclass(frozen=True, eq=False)
class Conv2dDelay(MapDelay):
    """kernel: (D, C_out, C_in, rows, columns) [delay, to, from]. height, width: of a map that sends.

    pad: zeros on each side, by axis; None: (size - 1) / 2 of an odd kernel.
    """

    kernel: F32
    height: int
    width: int
    stride: Size = (1, 1)
    pad: Size | None = None
    kind: ClassVar[str] = "conv2d_delay"
    node: ClassVar[str] = "Conv2dDelay"
    onnx: ClassVar[str] = ONNX

    def __post_init__(self) -> None:
        kernel = checks.finite("kernel", self.kernel)
        if kernel.ndim != 5 or 0 in kernel.shape:
            raise NetworkError(
                f"kernel has shape {list(kernel.shape)}; [D, C_out, C_in, k, k] is required"
            )
        object.__setattr__(self, "kernel", kernel)
        checks.lag("kernel", len(kernel) - 1)
        for name in ("height", "width"):
            checks.count(name, getattr(self, name))
        stride, pad = placed(kernel.shape[3:], self.stride, self.pad)
        object.__setattr__(self, "stride", stride)
        object.__setattr__(self, "pad", pad)
        assert self.maps.size  # its sizes are checked

    @property
    def maps(self) -> Maps:
        shape: Any = self.kernel.shape[1:]
        return Maps.of(
            shape,
            self.stride,
            self.pad or (),
            channels=shape[1],
            height=self.height,
            width=self.width,
        )

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
        m = self.maps
        return {"height": m.height, "width": m.width, **unusual(m.kernel[2:], m.stride, m.pad)}

    def constants(self) -> Arrays:
        kernel = self.kernel
        by_output = kernel.transpose(1, 0, 2, 3, 4).reshape(len(kernel[0]), -1, *kernel.shape[3:])
        return {"kernel": np.ascontiguousarray(by_output)}

    def node_attributes(self) -> dict[str, Any]:
        m = self.maps
        return {
            "pads": [*m.pad, *m.pad],
            "strides": list(m.stride),
            "map_shape": [0, len(self.kernel) * m.channels, self.height, self.width],
        }

    @classmethod
    def from_node(
        cls, constants: Sequence[NDArray[Any]], attributes: dict[str, Any], size: int
    ) -> Conv2dDelay:
        (kernel,) = constants
        height, width = attributes["map_shape"][2:]
        channels = size // (height * width)
        taps = kernel.reshape(len(kernel), -1, channels, *kernel.shape[2:]).transpose(1, 0, 2, 3, 4)
        return cls(taps, height, width, attributes["strides"], attributes["pads"][:2])

    @classmethod
    def outputs_of(
        cls, shapes: Sequence[Sequence[int]], attributes: dict[str, Any], sources: int
    ) -> int:
        outputs, _, *sizes = shapes[0]
        height, width = attributes["map_shape"][2:]
        shape = (outputs, sources // (height * width), *sizes)
        one = {**attributes, "map_shape": [0, shape[1], height, width], "group": 1}
        return Maps.from_node_attributes(shape, one).size

    def torch_form(self, hist: torch.Tensor, *constants: torch.Tensor) -> torch.Tensor:
        """constants: kernel (C_out, D * C_in, rows, columns)."""
        import torch

        (kernel,) = constants
        past, m = hist.reshape(len(hist), -1, self.height, self.width), self.maps
        mixed = torch.nn.functional.conv2d(past, kernel, stride=m.stride, padding=m.pad)
        return mixed.flatten(1)
