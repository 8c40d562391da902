"""Windows over maps of two axes: those of a convolution's kernel, and those of pooling.

Along one axis, output y sees the places `y * stride + a * dilation - pad`, a = 0 .. size - 1. Those
outside the maps are padding. `end` is how far windows may reach behind the maps; below 0, the last
places are seen by no window.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from delrec_compile.errors import NetworkError

Size = tuple[int, int]
NONE, EACH = (0, 0), (1, 1)


@dataclass(frozen=True)
class Window:
    """All by axis: rows, columns. end: None stands for `pad`. Raises NetworkError."""

    size: Size
    stride: Size = EACH
    pad: Size = NONE
    end: Size | None = None
    dilation: Size = EACH

    def __post_init__(self) -> None:
        if self.end == self.pad:
            object.__setattr__(self, "end", None)
        if min((*self.size, *self.stride, *self.dilation)) < 1 or min(self.pad) < 0:
            raise NetworkError(f"windows of {self}: sizes, strides and dilations must be 1 or more")
        for pad in (self.pad, self.ends):
            if any(p >= k for p, k in zip(pad, self.extent, strict=True)):
                raise NetworkError(f"pad is {list(pad)}; below the kernel's size is required")

    @property
    def ends(self) -> Size:
        """How far windows may reach behind the maps."""
        return self.pad if self.end is None else self.end

    @property
    def extent(self) -> Size:
        """Rows and columns from the first place of a window to its last."""
        rows, columns = ((k - 1) * d + 1 for k, d in zip(self.size, self.dilation, strict=True))
        return rows, columns

    @property
    def cropped(self) -> Size:
        """Last rows and columns of the maps that no window sees."""
        rows, columns = (max(0, -end) for end in self.ends)
        return rows, columns

    @property
    def filled(self) -> tuple[int, int, int, int]:
        """Padding before and behind the columns, and the rows: negative where places are cropped."""
        (above, left), (below, right) = self.pad, self.ends
        return left, right, above, below

    def places(self, height: int, width: int) -> Size:
        """Rows and columns of windows over maps of this size. Raises NetworkError."""
        high, wide = (
            (n + p + q - k) // s + 1
            for n, p, q, k, s in zip(
                (height, width), self.pad, self.ends, self.extent, self.stride, strict=True
            )
        )
        if min(high, wide) < 1:
            raise NetworkError(
                f"a kernel of {list(self.extent)} does not fit maps of {[height, width]} with pad "
                f"{list(self.pad)}"
            )
        return high, wide

    def attributes(self) -> dict[str, Any]:
        """As JSON holds it: what is not as usual is left out, but for size, stride and pad."""
        usual = {"end": None, "dilation": EACH}
        return {k: list(v) for k, v in asdict(self).items() if k not in usual or v != usual[k]}

    @staticmethod
    def of(**fields: Any) -> Window:
        """The way back from `attributes`."""
        return Window(**{name: pair(values) for name, values in fields.items()})


def pair(values: Any) -> Size:
    """Two numbers. Raises ValueError for another number of them."""
    first, second = values
    return int(first), int(second)
