"""Convolutional layers before the others, from the text of `TrainConfig.frontend`.

    8x5/2,16x3     8 channels from kernels of 5 taps, every second place; then 16 channels of 3 taps

Kernels are square on maps of more than one row, and padded on all sides by half their size.
"""

from __future__ import annotations

import re

from delrec_compile.errors import NetworkError, UsageError
from delrec_compile.network.model import Maps

LAYER = re.compile(r"(\d+)x(\d+)(?:/(\d+))?")


def layers(text: str, inputs: int, height: int) -> tuple[Maps, ...]:
    """Maps of each layer, over `inputs` channels in `height` rows. Raises UsageError."""
    if not text:
        return ()
    if inputs % height:
        raise UsageError(
            f"frontend_height is {height}; it must divide the data's {inputs} channels"
        )
    shape, out = (1, height, inputs // height), []
    for part in text.split(","):
        match = LAYER.fullmatch(part.strip())
        if match is None:
            raise UsageError(
                f"frontend is '{text}'; each layer is <channels>x<kernel> or "
                "<channels>x<kernel>/<stride>, such as 8x5/2,16x3"
            )
        channels, taps, stride = int(match[1]), int(match[2]), int(match[3] or 1)
        flat = shape[1] == 1
        kernel = (channels, shape[0], 1 if flat else taps, taps)
        pads = (kernel[2] // 2, taps // 2)
        try:
            maps = Maps(*shape, kernel, (1 if flat else stride, stride), pads)
        except NetworkError as error:
            raise UsageError(f"frontend is '{text}': {error}") from error
        out.append(maps)
        shape = maps.out
    return tuple(out)
